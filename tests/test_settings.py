"""Settings: read whole or refused whole, explained, documented, and never leaking a secret."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.allowlist import AllowList
from hookline.core.errors import UsageError
from hookline.core.mail import Security, SmtpServer
from hookline.core.masking import Mask
from hookline.core.role import Role
from hookline.core.secret import STARS, Secret
from hookline.core.unsubscribing import Rules
from hookline.settings import PostgresDatabase, Settings, SqliteDatabase, reference_page

ROOT = Path(__file__).parents[1]
KEY = "00" * 32
GENUINE = {
    "HOOKLINE_DATABASE": "sqlite:////var/lib/hookline.db",
    "HOOKLINE_ROLE": "worker",
    "HOOKLINE_API_KEY": "a-key-of-ours",
    "HOOKLINE_ALLOW_ADDRESSES": "10.0.0.0/8, [::1]:9000",
    "HOOKLINE_HOST": "0.0.0.0",
    "HOOKLINE_PORT": "0",
    "HOOKLINE_SECRET_KEY": KEY,
    "HOOKLINE_MAX_DATA_BYTES": "2048",
    "HOOKLINE_MAX_IN_FLIGHT": "7",
    "HOOKLINE_LOG": "json",
    "HOOKLINE_LOG_ATTEMPTS": "none",
    "HOOKLINE_KEEP_EVENTS_DAYS": "0",
    "HOOKLINE_KEEP_ATTEMPTS_DAYS": "7",
    "HOOKLINE_UNSUBSCRIBE_TIMEOUTS": "20",
    "HOOKLINE_UNSUBSCRIBE_HOURS": "1",
    "HOOKLINE_UNSUBSCRIBE_DAYS": "0",
    "HOOKLINE_SMTP_URL": "smtps://hookline:p%40ss@mail.example.com",
    "HOOKLINE_MAIL_FROM": "hookline@example.com",
    "HOOKLINE_MAIL_TO": "ops@example.com, on-call@example.com",
    "HOOKLINE_URL": "https://hooks.example.com/",
}


def refusal(environ: dict[str, str], overrides: dict[str, object] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        Settings.from_environ(environ, overrides)
    assert caught.value.code == "invalid-settings"
    return caught.value.message


def test_an_empty_environment_gives_the_promised_defaults():
    """`hookline serve` needs nothing: a file here, loopback only, nothing opened."""
    assert Settings.from_environ({}) == Settings() == Settings(
        database=SqliteDatabase(Path("hookline.db")), api_key=None, allow_addresses=AllowList(),
        host="127.0.0.1", port=8800, secret_key=None, max_data_bytes=1_048_576, max_in_flight=1000,
        log="text", log_attempts="all", keep_events_days=90, keep_attempts_days=30,
        unsubscribe_timeouts=1000, unsubscribe_hours=24, unsubscribe_days=5, smtp_url=None,
        mail_from=None, mail_to=None, role=Role.ALL,
        url="http://127.0.0.1:8800",
    )  # fmt: skip


def test_every_variable_is_read():
    """Each genuine value arrives in its field, with its type."""
    assert Settings.from_environ(GENUINE) == Settings(
        database=SqliteDatabase(Path("/var/lib/hookline.db")), api_key=Secret("a-key-of-ours"),
        allow_addresses=AllowList.parse("10.0.0.0/8, [::1]:9000"), host="0.0.0.0", port=0,
        secret_key=Secret(KEY), max_data_bytes=2048, max_in_flight=7, log="json",
        log_attempts="none", keep_events_days=0, keep_attempts_days=7,
        unsubscribe_timeouts=20, unsubscribe_hours=1, unsubscribe_days=0,
        smtp_url=SmtpServer(
            "mail.example.com", 465, Security.TLS, "hookline", Secret("p@ss")
        ),
        mail_from="hookline@example.com", mail_to=("ops@example.com", "on-call@example.com"),
        role=Role.WORKER, url="https://hooks.example.com",
    )  # fmt: skip


def test_every_field_is_in_the_table_and_has_a_variable():
    """A setting that is not declared could be neither set nor explained."""
    names = {f"HOOKLINE_{each.name.upper()}" for each in fields(Settings)} - {"HOOKLINE_ORIGINS"}
    assert names == set(GENUINE) == {row.name for row in Settings().describe()}


@pytest.mark.parametrize("name", GENUINE)
def test_an_empty_variable_counts_as_unset(name):
    """Compose files write `NAME=` for no value; blanks around a value do not count either."""
    assert Settings.from_environ({name: " "}) == Settings()
    assert Settings.from_environ({name: f" {GENUINE[name]}\n"}) == Settings.from_environ(
        {name: GENUINE[name]}
    )


def test_settings_are_frozen():
    """Nobody changes a setting behind the back of whoever read it."""
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1


BAD = {
    "HOOKLINE_DATABASE": [
        "hookline.db", "sqlite://relative.db", "sqlite:relative.db", "sqlite:///",
        "sqlite:///dir/", "sqlite:///:memory:", "sqlite:///a.db?mode=ro", "mysql://h/d",
        "sqlite:///a\0b", "SQLITE:///a.db",
    ],
    "HOOKLINE_API_KEY": ["two words", "clé", "a\nb", "a\0b", "\ud800"],
    "HOOKLINE_ALLOW_ADDRESSES": ["10.0.0.1/8", "*", "http://a", "10.0.0.0/8, 127.1"],
    "HOOKLINE_HOST": ["127.0.0.1:8800", "http://127.0.0.1", "a b", "[::1]", "é"],
    "HOOKLINE_PORT": ["-1", "65536", "http", "8800.0", "0x50", "8_800", "\u0668\u0660", "9" * 5000],
    "HOOKLINE_SECRET_KEY": ["secret", KEY[:-1], KEY + "00", "\u0660" * 64],
    "HOOKLINE_MAX_DATA_BYTES": ["0", "1MB", "1e6", "-1", "99999999999"],
    "HOOKLINE_MAX_IN_FLIGHT": ["0", "many", "10001", "true"],
    "HOOKLINE_LOG": ["JSON", "xml", "debug"],
    "HOOKLINE_LOG_ATTEMPTS": ["yes", "ALL", "1"],
    "HOOKLINE_KEEP_EVENTS_DAYS": ["-1", "90d", "forever", "36501"],
    "HOOKLINE_KEEP_ATTEMPTS_DAYS": ["-1", "1.5", "month"],
    "HOOKLINE_UNSUBSCRIBE_TIMEOUTS": ["-1", "1,000", "1e3"],
    "HOOKLINE_UNSUBSCRIBE_HOURS": ["0", "24h", "745"],
    "HOOKLINE_UNSUBSCRIBE_DAYS": ["-1", "five", "366"],
    "HOOKLINE_SMTP_URL": [
        "mail.example.com", "https://u:p@mail.example.com", "smtp://", "smtp://user@h",
        "smtp://h:99999", "smtps://u:p@h/path", "smtps://u:p@h?x", "smtp://[::1",
    ],
    "HOOKLINE_MAIL_FROM": ["hookline", "a@b, c@d", "a b@c", "a@b\nBcc: x@y"],
    "HOOKLINE_MAIL_TO": ["ops", ", ,", "a@b" + ", a@b" * 20, "é@example.com"],
    "HOOKLINE_URL": [
        "127.0.0.1:8800", "ftp://h", "http://", "http://h:99999", "http://u:p@h", "http://h?a",
        "http://h#f", "http://[::1", "http://h:0",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
def test_a_bad_value_is_named_with_an_example_that_works(name, value):
    """The example of the message, set instead, is accepted."""
    message = refusal({**GENUINE, name: value})
    assert message.startswith(f"{name}=")
    example = message.rpartition(f"for example {name}=")[2].strip('"')
    example = KEY if example == "$(openssl rand -hex 32)" else example
    Settings.from_environ({name: example})


def test_all_problems_are_reported_at_once():
    """One start shows every mistake, one a line, known settings and strangers alike."""
    environ = {name: values[0] for name, values in BAD.items()} | {"HOOKLINE_PROT": "1"}
    message = refusal(environ)
    assert len(message.splitlines()) == len(BAD) + 1
    assert all(f"{name}=" in message for name in BAD)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("HOOKLINE_API_KEYS", "HOOKLINE_API_KEY"), ("HOOKLINE_PROT", "HOOKLINE_PORT"),
     ("HOOKLINE_DB", "HOOKLINE_"), ("HOOKLINE_ALLOW_ADRESSES", "HOOKLINE_ALLOW_ADDRESSES")],
)  # fmt: skip
def test_an_unknown_variable_is_an_error_with_a_guess(name, meant):
    """A mistyped name must not leave the default in force, and its value may be a secret."""
    message = refusal({name: "hunter2-value"})
    assert f"{name} is no setting" in message
    assert f"did you mean {meant}" in message
    assert "hunter2" not in message


def test_a_far_off_variable_gets_no_guess():
    """A guess that is not near would only confuse."""
    assert refusal({"HOOKLINE_QQQQQQQQQQQQQQQQQ": "1"}).endswith("unset it")


def test_other_programs_variables_are_ignored():
    """Only the prefix is ours."""
    assert (
        Settings.from_environ({"PATH": "/bin", "XHOOKLINE_A": "1", "HOOKLINE": "1"}) == Settings()
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("HOOKLINE_PORT", "tcp://10.0.0.1:8800"), ("HOOKLINE_SERVICE_HOST", "10.0.0.1"),
     ("HOOKLINE_SERVICE_PORT", "8800"), ("HOOKLINE_PORT_8800_TCP", "tcp://10.0.0.1:8800"),
     ("HOOKLINE_PORT_8800_TCP_ADDR", "10.0.0.1"), ("HOOKLINE_SERVICE_PORT_HTTP", "80")],
)  # fmt: skip
def test_the_variables_of_a_kubernetes_service_are_explained(name, value):
    """A service named hookline makes Kubernetes set these; the message says the cure."""
    assert "enableServiceLinks: false" in refusal({name: value})


PASSWORDS = ["hunter2", "p@ss", "a/b?c", "x y", "é", "p:q"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("HOOKLINE_DATABASE", "postgresql:/u:{}@h/d"),
        ("HOOKLINE_DATABASE", "mysql://u:{}@h/d"),
        ("HOOKLINE_DATABASE", "mysql://h/d?password={}"),
        ("HOOKLINE_URL", "http://u:{}@h"),
        ("HOOKLINE_URL", "http://h?key={}"),
        ("HOOKLINE_SECRET_KEY", "{}"),
        ("HOOKLINE_API_KEY", "{} with blank"),
        ("HOOKLINE_PASSWORD", "{}"),
    ],
)
def test_no_error_shows_a_secret(name, pattern, password):
    """Neither a bad secret nor a password inside a URL is in the message, however mistyped."""
    message = refusal({name: pattern.format(password)})
    assert password not in message
    assert ascii(password)[1:-1] not in message


@pytest.mark.parametrize("role", ["api", "worker"])
def test_a_part_of_the_work_needs_a_database_that_others_share(role):
    """A SQLite file has one process; with PostgreSQL each says what it does."""
    with pytest.raises(UsageError) as caught:
        Settings.from_environ({"HOOKLINE_ROLE": role}).checked_role()
    assert caught.value.code == "one-process-only"
    shared = {"HOOKLINE_ROLE": role, "HOOKLINE_DATABASE": "postgresql://h/d"}
    assert Settings.from_environ(shared).checked_role() is Role(role)
    assert Settings.from_environ({}).checked_role() is Role.ALL


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_url_of_postgresql_shows_no_password(scheme):
    """Wherever in it the password stands: it prints as stars, and is among the secrets to be masked."""
    url = f"{scheme}://u:hunter2@a:1,[::1]:2/d?password=hunter3&host=/run/postgresql"
    settings = Settings.from_environ({"HOOKLINE_DATABASE": url})
    assert isinstance(settings.database, PostgresDatabase)
    assert settings.database_at() == Secret(url)
    assert str(settings.database) == f"{scheme}://{STARS}@a:1,[::1]:2/d?{STARS}"
    assert "hunter" not in f"{settings} {settings.describe()}"
    masked = Mask(settings.secrets())
    assert masked(f"{url}, hunter2 and hunter3") == f"{STARS}, {STARS} and {STARS}"


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///relative.db", "relative.db"), ("sqlite:////abs/path.db", "/abs/path.db"),
     ("sqlite:///./a b/c#d%20.db", "a b/c#d%20.db")],
)  # fmt: skip
def test_the_forms_of_a_sqlite_url(url, path):
    """Three slashes are relative, four absolute; nothing in a path is decoded."""
    assert Settings.from_environ({"HOOKLINE_DATABASE": url}).database_at() == Path(path)


def test_an_option_wins_over_the_environment_unless_it_was_not_given():
    """None is what a command line passes for an option that nobody wrote."""
    environ = {"HOOKLINE_PORT": "1", "HOOKLINE_HOST": "::1"}
    overrides = {"port": 2, "host": None, "log": "json", "api_key": Secret("k")}
    settings = Settings.from_environ(environ, overrides)
    assert (settings.port, settings.host, settings.log) == (2, "::1", "json")
    assert settings.api_key == Secret("k")


def test_a_bad_option_is_named_as_the_option():
    """Whoever wrote --max-in-flight 0 does not look for a variable."""
    message = refusal({"HOOKLINE_MAX_IN_FLIGHT": "5"}, {"max_in_flight": 0})
    assert message.startswith("--max-in-flight 0 is no whole number from 1 to 10000")
    assert message.endswith("for example --max-in-flight 1000")


def test_an_override_that_is_no_setting_is_a_bug():
    """It can only come from our own code."""
    with pytest.raises(ValueError, match="prot"):
        Settings.from_environ({}, {"prot": 1})


def test_describe_says_where_each_value_came_from():
    """Name, value, origin and help for every setting, secrets as stars."""
    settings = Settings.from_environ(GENUINE, {"port": 99})
    rows = {row.name: row for row in settings.describe()}
    assert (rows["HOOKLINE_PORT"].value, rows["HOOKLINE_PORT"].origin) == ("99", "--port")
    assert rows["HOOKLINE_LOG"].origin == "HOOKLINE_LOG"
    assert rows["HOOKLINE_API_KEY"].value == rows["HOOKLINE_SECRET_KEY"].value == STARS
    assert rows["HOOKLINE_DATABASE"].value == GENUINE["HOOKLINE_DATABASE"]
    assert rows["HOOKLINE_ALLOW_ADDRESSES"].value == "10.0.0.0/8, [::1]:9000"
    assert all(row.help for row in rows.values())
    assert "a-key-of-ours" not in f"{settings!r} {rows}"
    assert KEY not in f"{settings!r} {rows}"


def test_describe_of_nothing_set():
    """Defaults say so, and what has no value is called not set."""
    rows = {row.name: row for row in Settings.from_environ({}).describe()}
    assert {row.origin for row in rows.values()} == {"default"}
    assert rows["HOOKLINE_API_KEY"].value == rows["HOOKLINE_ALLOW_ADDRESSES"].value == "not set"


def test_secrets_are_all_that_is_declared_so():
    """Each secret setting that is set, and a secret that is a part of one, as in a database URL."""
    assert Settings.from_environ({}).secrets() == ()
    given = {**GENUINE, "HOOKLINE_DATABASE": "postgresql://user:word@host/db"}
    settings = Settings.from_environ(given)
    declared = ("HOOKLINE_API_KEY", "HOOKLINE_SECRET_KEY", "HOOKLINE_DATABASE")
    found = {secret.reveal() for secret in settings.secrets()}
    assert {given[name] for name in declared} <= found
    shown = " ".join(row.value for row in settings.describe())
    assert [secret for secret in found if secret in shown] == []


@given(
    st.sampled_from(sorted(GENUINE)),
    st.integers(0, 30),
    st.text(max_size=3),
    st.integers(0, 3),
)
def test_a_mutated_environment_is_read_or_refused(name, at, insert, cut):
    """A genuine value with a piece replaced raises nothing but the documented error."""
    value = GENUINE[name]
    try:
        Settings.from_environ({**GENUINE, name: value[:at] + insert + value[at + cut :]})
    except UsageError as error:
        refused = error
    else:
        return
    assert refused.code == "invalid-settings"
    assert refused.message.startswith(f"{name}=")


def test_the_reference_page_is_up_to_date():
    """The page is generated from the table."""
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    command = "python -m hookline.settings > docs/reference/settings.md"
    assert page == reference_page(), f"the page is stale; regenerate it: {command}"


def test_the_command_that_the_page_names_prints_the_page():
    """`python -m hookline.settings` works, as the page and the failure above say."""
    made = subprocess.run(
        [sys.executable, "-m", "hookline.settings"], capture_output=True, check=True, timeout=20
    )
    assert made.stdout.decode() == reference_page()
    assert made.stderr == b""


def test_mail_needs_all_three():
    """A server without an address, or an address without a server, is a mistake that is named."""
    mail = {name: GENUINE[name] for name in ("HOOKLINE_SMTP_URL", "HOOKLINE_MAIL_FROM")}
    with pytest.raises(UsageError) as caught:
        Settings.from_environ(mail).mailing()
    assert caught.value.code == "incomplete-mail-settings"
    assert Settings.from_environ({}).mailing() is None
    whole = Settings.from_environ(GENUINE).mailing()
    assert whole is not None
    assert whole.to == ("ops@example.com", "on-call@example.com")


def test_the_rules_of_unsubscribing():
    """The three numbers become the rules, hours as microseconds."""
    assert Settings().rules() == Rules()
    assert Settings.from_environ(GENUINE).rules() == Rules(20, 3_600_000_000, 0)
