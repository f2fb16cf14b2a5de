"""Secrets at rest: sealing, and the key file, with real files and real processes."""

import os
import stat
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import HooklineError, SecretUnreadable, UsageError
from hookline.core.secret import Secret
from hookline.store.vault import Vault, key_path, load_key

KEY = bytes(range(32))
VAULT = Vault(KEY)
OWNER = b"integration:1"
PLAIN = "s3cr3t-of-a-customer"
SEALED = VAULT.seal(PLAIN, bound_to=OWNER)

# Says "ready", waits for the word, and prints the key: all processes leave the line together.
RACER = """
import sys
from pathlib import Path
from hookline.store.vault import load_key
print("ready", flush=True)
sys.stdin.readline()
print(load_key(None, Path(sys.argv[1])).hex())
"""


def refused_to_open(sealed: bytes, bound_to: bytes = OWNER, vault: Vault = VAULT) -> None:
    with pytest.raises(SecretUnreadable) as caught:
        vault.open(sealed, bound_to)
    assert caught.value.code == "secret-unreadable"
    assert "HOOKLINE_SECRET_KEY" in caught.value.hint
    assert PLAIN not in f"{caught.value!r} {caught.value.message}"


@given(st.text(), st.binary())
def test_what_is_sealed_opens(plain, owner):
    """Any text comes back for its owner, as a Secret, with lone surrogates and when empty."""
    assert VAULT.open(VAULT.seal(plain, bound_to=owner), owner) == Secret(plain)


def test_the_sealed_form_hides_the_text_and_never_repeats():
    """Version, nonce, ciphertext and tag; two seals of one text have nothing in common."""
    again = VAULT.seal(PLAIN, bound_to=OWNER)
    assert PLAIN.encode() not in SEALED
    assert SEALED[0] == again[0] == 1
    assert len(SEALED) == 1 + 12 + len(PLAIN) + 16
    assert SEALED[1:13] != again[1:13]
    assert SEALED[13:] != again[13:]


@pytest.mark.parametrize("position", range(len(SEALED)))
def test_any_changed_byte_is_noticed(position):
    """One flipped bit anywhere, in version, nonce, text or tag, and nothing opens."""
    changed = bytearray(SEALED)
    changed[position] ^= 0x01
    refused_to_open(bytes(changed))


@given(st.integers(0, len(SEALED)), st.binary(max_size=4), st.integers(0, 4))
def test_a_mutated_seal_opens_only_if_it_is_the_same(at, insert, cut):
    """Genuine bytes with a piece inserted or cut raise the one error and no other."""
    mutated = SEALED[:at] + insert + SEALED[at + cut :]
    if mutated != SEALED:
        refused_to_open(mutated)


@pytest.mark.parametrize("length", range(len(SEALED)))
def test_a_cut_seal_is_refused(length):
    """Every shorter length, also none at all, is refused rather than crashing."""
    refused_to_open(SEALED[:length])


def test_a_seal_cannot_be_moved_to_another_owner():
    """A row copied onto another integration does not open there."""
    refused_to_open(SEALED, b"integration:2")
    refused_to_open(SEALED, b"")


@given(st.binary(min_size=32, max_size=32).filter(lambda key: key != KEY))
def test_another_key_opens_nothing_and_has_another_fingerprint(key):
    """A lost key is noticed by its fingerprint before a secret fails to open."""
    other = Vault(key)
    refused_to_open(SEALED, vault=other)
    assert other.fingerprint() != VAULT.fingerprint()


def test_the_fingerprint_is_stable_and_tells_nothing():
    """It is stored in databases, so it may never change; and it is not a hash of the key itself."""
    assert Vault(KEY).fingerprint() == "65292f18bf5cb7c4"
    assert KEY.hex() not in f"{VAULT!r} {VAULT.fingerprint()}"


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33])
def test_a_key_has_32_bytes(size):
    """AES would take shorter keys; we do not."""
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(bytes(size))


@pytest.mark.parametrize("text", [KEY.hex(), b64encode(KEY).decode()])
def test_the_setting_wins_and_no_file_is_made(tmp_path, text):
    """With HOOKLINE_SECRET_KEY the directory is not touched."""
    assert load_key(Secret(text), tmp_path / "a.db") == KEY
    assert list(tmp_path.iterdir()) == []


def test_a_bad_setting_does_not_fall_back_to_the_file(tmp_path):
    """A mistyped key must not silently become another key."""
    with pytest.raises(UsageError) as caught:
        load_key(Secret("mistyped"), tmp_path / "a.db")
    assert caught.value.code == "invalid-secret-key"
    assert list(tmp_path.iterdir()) == []


def test_the_first_start_makes_a_key_file_that_later_starts_use(tmp_path):
    """Beside the database, mode 600 whatever the umask, nothing else left behind."""
    database = tmp_path / "hookline.db"
    before = os.umask(0)
    try:
        key = load_key(None, database)
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == ["hookline.db.key"]
    assert stat.S_IMODE(key_path(database).stat().st_mode) == 0o600
    assert len(key) == 32
    assert load_key(None, database) == key
    assert load_key(None, tmp_path / "other.db") != key


def test_the_key_is_on_the_disk_before_it_is_used(tmp_path, monkeypatch):
    """File first, then its name, then the directory: a crash never leaves a name without a key."""
    steps = []
    fsync, link = os.fsync, os.link

    def spy_fsync(descriptor):
        steps.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def spy_link(source, target):
        assert len(Path(source).read_text()) == 65
        steps.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "link", spy_link)
    load_key(None, tmp_path / "a.db")
    assert steps == ["file", "link", "directory"]


def test_a_process_that_loses_the_race_takes_the_winners_key(tmp_path, monkeypatch):
    """The other process makes its file at the worst moment, just before ours gets its name."""
    path = key_path(tmp_path / "a.db")
    link = os.link

    def another_was_first(source, target):
        path.write_text(KEY.hex() + "\n")
        path.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", another_was_first)
    assert load_key(None, tmp_path / "a.db") == KEY
    assert list(tmp_path.iterdir()) == [path]


def test_processes_that_start_together_end_with_one_key(tmp_path):
    """Eight real processes race on each of five new databases; each database has one key."""
    for round_number in range(5):
        database = tmp_path / f"{round_number}.db"
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, str(database)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for _ in range(8)
        ]  # fmt: skip
        try:
            assert {racer.stdout.readline() for racer in racers} == {"ready\n"}
            for racer in racers:
                racer.stdin.write("go\n")
                racer.stdin.flush()
            keys = {racer.communicate(timeout=20)[0].strip() for racer in racers}
        finally:
            for racer in racers:
                racer.kill()
                racer.wait()
        assert keys == {load_key(None, database).hex()}
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o777])
def test_a_key_file_open_to_others_is_refused(tmp_path, mode):
    """Any right of group or others counts, and the hint is the command that mends it."""
    database = tmp_path / "a.db"
    load_key(None, database)
    key_path(database).chmod(mode)
    with pytest.raises(UsageError) as caught:
        load_key(None, database)
    assert caught.value.code == "key-file-readable-by-others"
    assert caught.value.hint == f"chmod 600 {key_path(database)}"


@pytest.mark.parametrize(
    "mutate",
    [lambda text: "", lambda text: text[:-2], lambda text: text + text, lambda text: "\n",
     lambda text: text.replace(text[0], "g"), lambda text: text[:10] + " " + text[11:],
     lambda text: "\u00e9" + text, lambda text: "\0" * 64, lambda text: text * 1000],
)  # fmt: skip
def test_a_corrupt_key_file_is_refused_and_kept(tmp_path, mutate):
    """It is neither guessed at nor replaced: it may be mended, a new key would hide the loss."""
    database = tmp_path / "a.db"
    text = load_key(None, database).hex() + "\n"
    corrupt = mutate(text).encode()
    key_path(database).write_bytes(corrupt)
    with pytest.raises(UsageError) as caught:
        load_key(None, database)
    assert caught.value.code == "key-file-corrupt"
    assert "HOOKLINE_SECRET_KEY" in caught.value.hint
    assert text[:20] not in caught.value.message
    assert key_path(database).read_bytes() == corrupt


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["directory", "pipe"])
def test_something_else_by_that_name_is_refused_at_once(tmp_path, make):
    """A directory or a pipe is no key, and a pipe does not make the start hang."""
    make(key_path(tmp_path / "a.db"), 0o600)
    with pytest.raises(HooklineError) as caught:
        load_key(None, tmp_path / "a.db")
    assert caught.value.code in {"key-file-corrupt", "key-file-unusable"}


def test_a_missing_directory_is_reported_with_advice(tmp_path):
    """The error names the file and the setting that does without it."""
    with pytest.raises(UsageError) as caught:
        load_key(None, tmp_path / "nowhere" / "a.db")
    assert caught.value.code == "key-file-unusable"
    assert "nowhere" in caught.value.message
    assert "HOOKLINE_SECRET_KEY" in caught.value.hint


def test_a_failing_disk_leaves_no_key_behind(tmp_path, monkeypatch):
    """If the file cannot be made durable there is no file, so that the next start begins afresh."""

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        load_key(None, tmp_path / "a.db")
    assert list(tmp_path.iterdir()) == []
