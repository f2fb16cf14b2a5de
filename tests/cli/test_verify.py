"""``hookline verify``: a match, or the mistake by name."""

import json
import time

import pytest

from hookline.core.signing import sign
from hookline.receive import GITHUB, STRIPE, names, scheme_named
from hookline.receive.testing import SECRET as KEY
from hookline.receive.testing import signed_request

SECRET = "northwind-secret"
BODY = '{"action":"created","data":{"é":100,"b":[1,2]}}'.encode()
SIGNATURE = sign(SECRET, BODY)


@pytest.fixture
def verify(call, tmp_path):
    """Verify bytes."""

    def verify_bytes(body: bytes, *flags: str, signature: str = SIGNATURE, secret: str = SECRET):
        path = tmp_path / "body"
        path.write_bytes(body)
        return call("verify", "--secret", secret, "--signature", signature, *flags, str(path))

    return verify_bytes


def test_a_right_signature_is_exit_code_0(verify):
    result = verify(BODY)
    assert result.code == 0
    assert result.text.startswith(f"match  over {len(BODY)} bytes")


@pytest.mark.parametrize(
    ("body", "signature", "cause"),
    [
        (BODY + b"\n", SIGNATURE, "body-newline-added"),
        (BODY.replace(b"100", b"101"), SIGNATURE, "wrong-secret-or-altered-body"),
        (json.dumps(json.loads(BODY)).encode(), SIGNATURE, "body-javascript"),
        (BODY, SIGNATURE.upper(), "signature-upper-case"),
        (BODY, f"sha256={SIGNATURE}", "signature-prefix"),
        (BODY, "", "signature-missing"),
        (
            BODY.replace(b"100", b"100.0"),
            sign(SECRET, b'{"action":"created","data":{"\\u00e9":100.0,"b":[1,2]}}'),
            "body-compact-ascii",
        ),
    ],
)
def test_a_mistake_is_named(verify, body, signature, cause):
    result = verify(body, "--json", signature=signature)
    told = json.loads(result.out)
    assert (result.code, told["matches"], told["cause"]) == (1, False, cause)
    assert told["explanation"]
    assert told["hint"]


def test_a_wrong_secret_is_exit_code_1(verify):
    result = verify(BODY, secret="another")
    assert result.code == 1
    assert "wrong-secret-or-altered-body" in result.text
    assert "hint" in result.text


def test_neither_a_secret_nor_a_right_signature_is_shown(verify):
    result = verify(BODY + b"\n", signature="0" * 64)
    assert SECRET not in result.text + result.err
    assert sign(SECRET, BODY + b"\n") not in result.text + result.err


def test_several_secrets_and_where_they_come_from(call, tmp_path, monkeypatch):
    """Flag, file, and the variable where there is neither; the result names the one that fits."""
    body, file = tmp_path / "body", tmp_path / "secret"
    body.write_bytes(BODY)
    file.write_text(SECRET + "\n")
    flags = ("--signature", SIGNATURE, "--json", str(body))
    told = json.loads(call("verify", "--secret", "old", "--secret-file", str(file), *flags).out)
    assert (told["matches"], told["secret_index"], told["secrets"]) == (True, 1, 2)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    assert call("verify", *flags).code == 0
    assert call("verify", "--secret", "old", *flags).code == 1


def test_stdin_is_taken_byte_by_byte(process):
    """A body through a pipe keeps its last newline."""
    flags = ("--signature", SIGNATURE, "--secret", SECRET)
    assert process("verify", *flags, stdin=BODY).code == 0
    told = process("verify", *flags, "-", stdin=BODY + b"\n")
    assert (told.code, "body-newline-added" in told.text) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--secret", "s", "body"], "there is no signature to check"),
        (["--secret", "s", "--signature", "00", "--headers", "h", "body"], "two signatures"),
        (["--secret", "s", "--headers", "/dev/null", "body"], "has no line Sentry-Hook-Signature"),
        (["--secret", "s", "--signature", "00", "/nowhere/body"], "cannot read /nowhere/body"),
        (["--secret-file", "/nowhere/s", "--signature", "00"], "cannot read /nowhere/s"),
        (["--signature", "00", "body"], "there is no client secret"),
    ],
)
def test_wrong_use_is_exit_code_2(call, arguments, words):
    result = call("verify", *arguments)
    assert result.code == 2
    assert words in result.err


# --- other senders ------------------------------------------------------

NOW = int(time.time())


@pytest.fixture
def verify_request(call, tmp_path):
    """Verify a request by its header lines."""

    def verify_it(body: bytes, headers: dict[str, str], *flags: str, secret: str = SECRET):
        (tmp_path / "body").write_bytes(body)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        (tmp_path / "headers").write_text("POST /hook HTTP/1.1\r\n" + lines, newline="")
        files = ("--headers", str(tmp_path / "headers"), str(tmp_path / "body"))
        result = call("verify", "--secret", secret, *flags, "--json", *files)
        return result.code, json.loads(result.out)

    return verify_it


@pytest.mark.parametrize("name", names())
def test_every_scheme_by_its_headers(verify_request, name):
    """A genuine request of each sender matches; changed by a newline, that is found."""
    body, headers = signed_request(KEY, scheme=scheme_named(name), data={"id": 1})
    code, told = verify_request(body, headers, "--scheme", name, secret=KEY)
    assert (code, told["cause"], told["scheme"]) == (0, "match", name)
    code, told = verify_request(body + b"\n", headers, "--scheme", name, secret=KEY)
    assert (code, told["cause"]) == (1, "body-newline-added")


def test_a_request_that_is_too_old(verify_request):
    """The signature is right and the time is not: both are told, and the limit can be lifted."""
    body, headers = signed_request(KEY, scheme=STRIPE, now=NOW - 10_000)
    code, told = verify_request(body, headers, "--scheme", "stripe", secret=KEY)
    assert (code, told["cause"]) == (1, "timestamp-too-old")
    assert told["explanation"].startswith("The signature is right, but it was sent 10,0")
    flags = ("--scheme", "stripe", "--max-age", "inf")
    assert verify_request(body, headers, *flags, secret=KEY)[0] == 0
    body, headers = signed_request(SECRET, now=NOW - 10_000)
    assert verify_request(body, headers)[0] == 0
    assert verify_request(body, headers, "--max-age", "60")[1]["cause"] == "timestamp-too-old"


def test_another_senders_headers(verify_request):
    """Whoever forgot the scheme is told which one it is."""
    body, headers = signed_request(SECRET, scheme=GITHUB)
    code, told = verify_request(body, headers)
    assert (code, told["cause"]) == (1, "other-scheme")
    assert told["hint"] == "That is how GitHub signs: use the scheme github."


def test_an_old_secret(verify_request, tmp_path):
    """A signature by the secret before is recognised, from a flag or a file."""
    body, headers = signed_request("before")
    code, told = verify_request(body, headers, "--old-secret", "before")
    assert (code, told["cause"], told["secret_index"]) == (1, "secret-old", 1)
    (tmp_path / "old").write_text("before\n")
    assert verify_request(body, headers, "--old-secret-file", str(tmp_path / "old"))[1][
        "cause"
    ] == ("secret-old")


def test_a_signature_by_itself(call, tmp_path):
    """Where only the body is signed the signature is enough; elsewhere the headers are needed."""
    (tmp_path / "body").write_bytes(BODY)
    github = signed_request(SECRET, scheme=GITHUB, body=BODY).headers["X-Hub-Signature-256"]
    flags = ("--secret", SECRET, str(tmp_path / "body"))
    assert call("verify", "--scheme", "github", "--signature", github, *flags).code == 0
    upper = call("verify", "--scheme", "github", "--signature", github[7:], *flags)
    assert (upper.code, "signature-prefix-missing" in upper.text) == (1, True)
    result = call("verify", "--scheme", "slack", "--signature", "v0=00", *flags)
    assert (result.code, "signs more than the body" in result.err) == (2, True)
    result = call("verify", "--scheme", "gitub", "--signature", "00", *flags)
    assert (result.code, "Did you mean github?" in result.err) == (2, True)
