"""The documented signature: hex HMAC-SHA256 over exactly the bytes of the body.

The key is the client secret *as text* (64 hex digits stay 64 characters; they are not decoded), and
neither a header nor the time is signed.
"""

import hmac

__all__ = ["matches", "sign"]


def sign(secret: str, body: bytes) -> str:
    """Sign a body: 64 lower-case hex digits, the value of ``Sentry-Hook-Signature``.

    >>> sign("northwind-secret", b'{"action":"created"}')
    'c2e0a77baace35b1eee40d1e1f3f95756e62077f25ff2f443aaf34434b6865cb'
    """
    # hmac.digest is one call into OpenSSL, without an object in between: this is the hot path.
    # A lone surrogate has no UTF-8; surrogatepass gives it bytes, so that no text makes this raise.
    return hmac.digest(secret.encode("utf-8", "surrogatepass"), body, "sha256").hex()


def matches(secret: str, body: bytes, signature: str) -> bool:
    """Tell in constant time whether a signature is the one for this body; any other text is not.

    >>> matches("northwind-secret", b"{}", sign("northwind-secret", b"{}"))
    True
    >>> matches("northwind-secret", b"{}", "sha256=é")
    False
    """
    # compare_digest refuses text beyond ASCII with a TypeError; bytes it takes as they are.
    given = signature.encode("utf-8", "surrogatepass")
    return hmac.compare_digest(sign(secret, body).encode("ascii"), given)
