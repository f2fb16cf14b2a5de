"""``hookline verify``: is the signature right, and if not, what went wrong?"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from hookline.cli.client import JsonFlag
from hookline.cli.files import read_bytes
from hookline.cli.secrets_given import SecretFileFlag, SecretFlag, gather_secrets
from hookline.cli.terminal import BAD, DIM, GOOD, fields, harmless, out, print_json
from hookline.core.diagnosis import SPELLINGS, Diagnosis, diagnose
from hookline.core.errors import UsageError
from hookline.core.headers import SIGNATURE

__all__ = ["verify"]


def verify(
    body: Annotated[
        str,
        Parameter(
            name="FILE", help="The raw body; - is standard input.", allow_leading_hyphen=True
        ),
    ] = "-",
    *,
    signature: Annotated[
        str | None, Parameter(help=f"The value of the {SIGNATURE} header.")
    ] = None,
    headers: Annotated[
        Path | None, Parameter(help=f"A file of header lines to take {SIGNATURE} from.")
    ] = None,
    secret: SecretFlag = None,
    secret_file: SecretFileFlag = None,
    as_json: JsonFlag = False,
) -> int:
    """Say whether a signature is right for a body, and if not, which mistake explains it.

    The bytes are taken as they are, also a newline at their end. Exit code 0 if it matches, 1 if not.

    ```
    hookline verify --secret-file secret.txt --headers headers.txt body.json
    hookline verify --secret s3cret --signature 9f2ac01b -
    ```
    """
    secrets = gather_secrets(secret, secret_file)
    given = _signature(signature, headers)
    content = read_bytes(body)
    found = diagnose(content, given, secrets, reserialisers=SPELLINGS)
    if as_json:
        print_json({**asdict(found), "body_bytes": len(content), "secrets": len(secrets)})
    else:
        _show(found, len(content), len(secrets))
    return 0 if found.matches else 1


def _signature(text: str | None, headers: Path | None) -> str:
    if (text is None) == (headers is None):
        raise UsageError(
            "missing-signature" if text is None else "two-signatures",
            "there is no signature to check" if text is None else "there are two signatures",
            "give either --signature, or --headers with a file of header lines",
        )
    if text is not None:
        return text
    assert headers is not None  # noqa: S101
    for line in read_bytes(str(headers)).decode("utf-8", "surrogateescape").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() == SIGNATURE.lower():
            return value.strip()
    raise UsageError(
        "missing-signature",
        f"{headers} has no line {SIGNATURE}: …",
        "give the header lines as they came, one a line, or --signature",
    )


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
