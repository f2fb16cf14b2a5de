"""``hookline verify``: is the signature right, and if not, what went wrong?"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.text import Text

from hookline.cli.client import JsonFlag
from hookline.cli.files import read_bytes
from hookline.cli.secrets_given import SecretFileFlag, SecretFlag, gather_secrets, read_secrets
from hookline.cli.terminal import BAD, DIM, GOOD, fields, harmless, out, print_json
from hookline.core.diagnosis import SPELLINGS, Diagnosis, diagnose
from hookline.core.errors import UsageError
from hookline.receive.errors import WebhookError
from hookline.receive.explaining import explain_signature, signing_of, unchecked
from hookline.receive.headers import read_headers
from hookline.receive.schemes import SENTRY, Scheme, names, scheme_named
from hookline.receive.verifying import check_age

__all__ = ["verify"]

_SCHEMES: Final = ", ".join(names())

OldSecretFlag = Annotated[
    list[str] | None,
    Parameter(
        name="--old-secret", negative="", help="A secret that was valid before, to recognise it."
    ),
]
OldSecretFileFlag = Annotated[
    list[Path] | None,
    Parameter(name="--old-secret-file", negative="", help="A file that holds one."),
]


def verify(
    body: Annotated[
        str,
        Parameter(
            name="FILE", help="The raw body; - is standard input.", allow_leading_hyphen=True
        ),
    ] = "-",
    *,
    signature: Annotated[
        str | None, Parameter(help="The value of the header that carries the signature.")
    ] = None,
    headers: Annotated[
        Path | None, Parameter(help="A file of header lines, one a line, to take it from.")
    ] = None,
    secret: SecretFlag = None,
    secret_file: SecretFileFlag = None,
    old_secret: OldSecretFlag = None,
    old_secret_file: OldSecretFileFlag = None,
    scheme: Annotated[
        str,
        Parameter(help=f"Who signs: {_SCHEMES}, or plain-hmac/sha256/hex/json/HEADER/PREFIX."),
    ] = SENTRY.name,
    max_age: Annotated[
        float | None,
        Parameter(
            help="How many seconds ago it may have been sent: 300 where the time is signed, "
            "unless you say otherwise; inf for no limit."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Say whether a signature is right for a body, and if not, which mistake explains it.

    The bytes are taken as they are, also a newline at their end. Exit code 0 if it matches, 1 if not.

    ```
    hookline verify --secret-file secret.txt --headers headers.txt body.json
    hookline verify --secret s3cret --signature 9f2ac01b -
    hookline verify --scheme stripe --secret-file secret.txt --headers headers.txt body.json
    ```
    """
    by = scheme_named(scheme)
    secrets = gather_secrets(secret, secret_file)
    old = read_secrets(old_secret, old_secret_file)
    _check_source(signature, headers)
    pairs = None if headers is None else _header_lines(headers, by)
    content = read_bytes(body)
    if pairs is None:
        found = _by_signature(content, signature or "", secrets, old, by)
    else:
        found = _by_headers(content, pairs, secrets, old, by, max_age)
    if as_json:
        counted = {"body_bytes": len(content), "secrets": len(secrets), "scheme": by.name}
        print_json({**asdict(found), **counted})
    else:
        _show(found, len(content), len(secrets) + len(old))
    return 0 if found.matches else 1


def _check_source(text: str | None, headers: Path | None) -> None:
    if (text is None) == (headers is None):
        raise UsageError(
            "missing-signature" if text is None else "two-signatures",
            "there is no signature to check" if text is None else "there are two signatures",
            "give either --signature, or --headers with a file of header lines",
        )


def _by_signature(
    content: bytes, signature: str, secrets: list[str], old: list[str], scheme: Scheme
) -> Diagnosis:
    signing = signing_of(scheme)
    if signing is None:
        raise UsageError(
            "signature-not-enough",
            f"{scheme.sender} signs more than the body",
            "give --headers with a file of header lines",
        )
    return diagnose(
        content, signature, secrets, reserialisers=SPELLINGS, old_secrets=old, signing=signing
    )


def _by_headers(
    content: bytes,
    pairs: list[tuple[str, str]],
    secrets: list[str],
    old: list[str],
    scheme: Scheme,
    max_age: float | None,
) -> Diagnosis:
    found = explain_signature(content, pairs, secrets, scheme=scheme, old_secrets=old)
    if not found.matches:
        return found
    read = read_headers(pairs)
    try:
        check_age(scheme, scheme.form.read(read), read, max_age, time.time())
    except WebhookError as error:
        return unchecked(error, before="The signature is right, but ")
    return found


def _header_lines(file: Path, scheme: Scheme) -> list[tuple[str, str]]:
    lines = read_bytes(str(file)).decode("utf-8", "surrogateescape").splitlines()
    parts = [line.partition(":") for line in lines]
    pairs = [(name.strip(), value.strip()) for name, colon, value in parts if colon]
    # Asked before the body is read. Where another sender's signature is there, that is told instead.
    if explain_signature(b"", pairs, "any", scheme=scheme).cause == "signature-missing":
        raise UsageError(
            "missing-signature",
            f"{file} has no line {scheme.form.header}: …",
            "give the header lines as they came, one a line, or --signature",
        )
    return pairs


def _show(found: Diagnosis, size: int, secrets: int) -> None:
    console = out()
    label = Text("match", GOOD) if found.matches else Text("no match", BAD)
    over = Text(f"  over {size:,} bytes", DIM)
    console.print(label + over)
    which = None
    if found.secret_index is not None and secrets > 1:
        which = f"number {found.secret_index + 1} of {secrets}"
    console.print(
        fields(
            [
                ("cause", None if found.matches else found.cause),
                ("found", harmless(found.explanation)),
                ("hint", harmless(found.hint)),
                ("secret", which),
            ]
        )
    )
