"""Schemes and secrets as a caller gives them, checked before anything is stored.

How senders sign is ``hookline.receive``'s to know; the engine below knows a scheme by its name alone.
"""

from collections.abc import Sequence

from hookline.core.errors import Invalid
from hookline.receive import Scheme, WebhookError, plain_hmac, scheme_named
from hookline.receive.forms import Claim
from hookline.server.api.source_shapes import PlainHmacIn

__all__ = ["check_scheme", "check_secrets", "scheme_given"]

PLAIN = "plain-hmac"


def check_scheme(name: str) -> Scheme:
    """The scheme of a name. Raises ``Invalid``."""
    try:
        return scheme_named(name)
    except Invalid as unknown:
        unknown.where = "/scheme"
        raise


def scheme_given(name: str, plain: PlainHmacIn | None) -> Scheme:
    """The scheme of a name, or the plain HMAC that the parameters describe.

    Raises:
        Invalid: there is no such scheme, a parameter is against its rule, or one of both is too much.
    """
    if plain is None:
        if name == PLAIN:
            raise Invalid(
                "missing-plain-hmac",
                "a plain HMAC needs to be described, and it is not",
                'give "plain_hmac": {"header": "X-Signature"}',
                where="/plain_hmac",
            )
        return check_scheme(name)
    if name != PLAIN:
        raise Invalid(
            "plain-hmac-not-allowed",
            "the scheme has a name, and is described, too",
            f'leave "plain_hmac" out, or give "scheme": "{PLAIN}"',
            where="/plain_hmac",
        )
    try:
        return plain_hmac(
            header=plain.header,
            algorithm=plain.algorithm,
            encoding=plain.encoding,
            prefix=plain.prefix,
            json=plain.json,
        )
    except Invalid as wrong:
        wrong.where = "/plain_hmac"
        raise


def check_secrets(scheme: Scheme, secrets: Sequence[str], where: str) -> None:
    """See that the scheme can verify with each of the secrets.

    Raises:
        Invalid: it is empty, or not spelt as the scheme wants it; the secret is not repeated.
    """
    for index, secret in enumerate(secrets):
        at = where if where == "/secret" else f"{where}/{index}"
        if not secret.strip():
            raise Invalid(
                "invalid-secret", "a secret is empty", "with it anybody could sign", where=at
            )
        try:
            scheme.form.proves(secret, Claim((), "0", "id"), b"")
        except WebhookError as unusable:
            raise Invalid(unusable.code, unusable.message, unusable.hint, where=at) from unusable
