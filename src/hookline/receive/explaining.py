"""Why a webhook was refused: the diagnosis of ``core.diagnosis`` for every scheme.

It costs up to some hundred HMACs over the body for each secret; never do it for every stranger's bad
request.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hookline.core.diagnosis import SPELLINGS, Diagnosis, Signing, diagnose
from hookline.core.mistakes import SECRET_OLD, UNEXPLAINED
from hookline.receive.errors import WebhookError
from hookline.receive.forms import BareHmac, Claim, SlackForm, StripeForm
from hookline.receive.headers import GivenHeaders, Headers, read_headers
from hookline.receive.schemes import SENTRY, Scheme, names, scheme_named
from hookline.receive.standard import PUBLIC, StandardForm
from hookline.receive.verifying import check_secrets, raw_bytes, verify

__all__ = ["explain", "explain_signature", "signing_of", "unchecked"]


def explain(
    body: bytes,
    headers: GivenHeaders,
    secrets: str | Sequence[str],
    *,
    scheme: Scheme = SENTRY,
    old_secrets: str | Sequence[str] = (),
    max_age_s: float | None = None,
    now: float | None = None,
) -> Diagnosis:
    """Say whether ``verify`` takes a request, and if not, which mistake explains it.

    Args:
        body: as for ``verify``; so are the others.
        headers: those of the request.
        secrets: those that are valid.
        scheme: how the sender signs.
        old_secrets: those that were valid before.
        max_age_s: how old it may be.
        now: seconds since 1970.

    Returns:
        What was found. Where no signature was wrong its ``cause`` is the error's code. It shows
        neither a secret nor a right signature. It never raises.

    >>> from hookline.core.signing import sign
    >>> signed = {"Sentry-Hook-Resource": "issue", "Sentry-Hook-Signature": sign("s", b"[1.0]")}
    >>> explain(b"[1]", signed, "t", old_secrets=["s"]).cause
    'wrong-secret-or-altered-body'
    >>> explain(b"[1.0]", signed, "t", old_secrets=["s"]).cause
    'secret-old'
    """
    found = explain_signature(body, headers, secrets, scheme=scheme, old_secrets=old_secrets)
    if not found.matches:
        return found
    try:
        verify(body, headers, secrets, scheme=scheme, max_age_s=max_age_s, now=now)
    except WebhookError as error:
        return unchecked(error, before="The signature is right, but ")
    return found


def explain_signature(
    body: bytes,
    headers: GivenHeaders,
    secrets: str | Sequence[str],
    *,
    scheme: Scheme = SENTRY,
    old_secrets: str | Sequence[str] = (),
) -> Diagnosis:
    """The same for the signature alone: neither the age nor what the body says is looked at."""
    try:
        content, given, valid = raw_bytes(body), read_headers(headers), check_secrets(secrets)
        old = (old_secrets,) if isinstance(old_secrets, str) else old_secrets
        return _signature(content, given, valid, old, scheme)
    except WebhookError as error:
        return unchecked(error)


def signing_of(scheme: Scheme) -> Signing | None:
    """How a scheme signs; None where something beside the body is signed."""
    form = scheme.form
    if not isinstance(form, BareHmac):
        return None
    return Signing(form.header, form.algorithm, form.encoding, form.prefix)


def unchecked(error: WebhookError, before: str = "") -> Diagnosis:
    """The error itself as a diagnosis: there is nothing to guess at."""
    message = before + error.message
    message = message[:1].upper() + message[1:]
    return Diagnosis(False, error.code, f"{message}.", error.hint, None)


def _signature(
    body: bytes,
    headers: Headers,
    secrets: Sequence[str],
    old_secrets: Sequence[str],
    scheme: Scheme,
) -> Diagnosis:
    try:
        claim = scheme.form.read(headers)
    except WebhookError as error:
        if error.code == "signature-missing":
            return _missing(error, headers, scheme)
        if error.code != "signature-malformed":
            return unchecked(error)
        found = _guessed(body, headers, None, secrets, old_secrets, scheme)
        return found or unchecked(error)
    for index, secret in enumerate(secrets):
        if scheme.form.proves(secret, claim, body):
            return Diagnosis(True, "match", "The signature is right for these bytes.", "", index)
    for index, old in enumerate(old_secrets, start=len(secrets)):
        if _proves(scheme, old, claim, body):
            old_one = SECRET_OLD
            return Diagnosis(False, old_one.cause, old_one.explanation, old_one.hint, index)
    found = _guessed(body, headers, claim, secrets, old_secrets, scheme)
    return found or Diagnosis(
        False, UNEXPLAINED.cause, UNEXPLAINED.explanation, UNEXPLAINED.hint, None
    )


def _missing(error: WebhookError, headers: Headers, scheme: Scheme) -> Diagnosis:
    wanted = scheme.form.header
    cgi = f"HTTP_{wanted.upper().replace('-', '_')}"
    if headers.has(cgi):
        return Diagnosis(
            False,
            "headers-renamed",
            f"There is no header {wanted}, but there is {cgi}.",
            "Those are the names of a CGI or WSGI environ: take HTTP_ away and write - for _.",
            None,
        )
    for other in map(scheme_named, names()):
        if other is not scheme and headers.has(other.form.header):
            return Diagnosis(
                False,
                "other-scheme",
                f"There is no header {wanted}, but there is {other.form.header}.",
                f"That is how {other.sender} signs: use the scheme {other.name}.",
                None,
            )
    return unchecked(error)


def _guessed(
    body: bytes,
    headers: Headers,
    claim: Claim | None,
    secrets: Sequence[str],
    old_secrets: Sequence[str],
    scheme: Scheme,
) -> Diagnosis | None:
    """Guess; None where there is nothing to guess with."""
    usable = [secret for secret in secrets if _signs(scheme, secret)]
    if not usable:
        return _no_common_version(claim)
    found = None
    for signature, signing in _signatures(scheme, headers, claim):
        found = diagnose(
            body,
            signature,
            usable,
            reserialisers=SPELLINGS,
            old_secrets=[secret for secret in old_secrets if _signs(scheme, secret)],
            signing=signing,
        )
        if found.cause != UNEXPLAINED.cause:
            break
    if found is None or found.secret_index is None:
        return found
    # The index counts those that could be used; the caller's list has others between them.
    given = [*secrets, *old_secrets]
    counted = [index for index, secret in enumerate(given) if _signs(scheme, secret)]
    return replace(found, secret_index=counted[found.secret_index])


def _signs(scheme: Scheme, secret: str) -> bool:
    """Whether HMACs are made with it: a public key of Standard Webhooks makes none."""
    return not (isinstance(scheme.form, StandardForm) and secret.startswith(PUBLIC))


def _proves(scheme: Scheme, secret: str, claim: Claim, body: bytes) -> bool:
    try:
        return scheme.form.proves(secret, claim, body)
    except WebhookError:
        return False


def _signatures(
    scheme: Scheme, headers: Headers, claim: Claim | None
) -> Iterator[tuple[str, Signing]]:
    """Each signature that was made with a secret, and how."""
    form = scheme.form
    if (plain := signing_of(scheme)) is not None:
        # Also where it is malformed: the digest may be right and only spelt in another way.
        yield headers.signature(form.header), plain
        return
    if claim is None:
        return
    if isinstance(form, StripeForm):
        signing = Signing(form.header, before=f"{claim.timestamp}.".encode())
    elif isinstance(form, SlackForm):
        signing = Signing(form.header, prefix="v0=", before=f"v0:{claim.timestamp}:".encode())
    elif isinstance(form, StandardForm):
        before = f"{claim.id}.{claim.timestamp}.".encode("utf-8", "surrogatepass")
        signing = Signing(form.header, "sha256", "base64", "v1,", before, encoded_key=True)
    else:
        return
    for signature in claim.signatures:
        if not signature.startswith("v1a,"):
            yield signature, signing


def _no_common_version(claim: Claim | None) -> Diagnosis | None:
    if claim is None or any(each.startswith("v1a,") for each in claim.signatures):
        return None
    return Diagnosis(
        False,
        "no-common-version",
        "The webhook is signed with a secret (v1), and only public keys (whpk_) are at hand.",
        "Give the whsec_ of this endpoint, or ask the sender for v1a signatures.",
        None,
    )
