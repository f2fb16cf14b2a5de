"""``hookline verify``: a match, or the mistake by name."""

import json

import pytest

from hookline.core.signing import sign

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
