"""Sources: making and changing them, and finding the one that a token belongs to.

All of them are kept in memory with their secrets open, since each request that comes in needs one, and a
stranger's must cost the database nothing. They are read again, one reading after the other, whenever
something of them changed: here before whoever changed it is answered, elsewhere when it is heard of.
"""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import structlog

from hookline.core.errors import Invalid, NotFound, SecretUnreadable, Unavailable
from hookline.core.quoting import excerpt
from hookline.core.registration import check_name, check_organization, check_slug, suggested_slug
from hookline.core.secret import Secret, hint
from hookline.core.source import (
    BY_BODY,
    BY_REQUEST_ID,
    MOST_SECRETS,
    NOT_AT_ALL,
    USUAL_BODY,
    Source,
    check_body_limit,
    check_source_secret,
)
from hookline.send.expressions import check_expression
from hookline.store.contract import Store
from hookline.store.sources import KeptSource, NewSource
from hookline.store.vault import Vault

__all__ = ["KnownSourceSecret", "MadeSource", "OpenSource", "Sources", "digest_of_token"]

_log = structlog.get_logger("hookline.sources")

TOKEN_BYTES: Final = 32


def digest_of_token(token: str) -> bytes:
    """What is kept of a token: SHA-256, without salt, for it has 256 random bits.

    Sources are looked up by it, so how long that takes tells nothing about a token: who wanted to use it
    would have to choose digests.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source with its secrets open; only here, and in memory."""

    source: Source
    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class MadeSource:
    """A source with a new token, which is shown only now."""

    source: Source
    token: Secret


@dataclass(frozen=True, slots=True)
class KnownSourceSecret:
    """A secret of a source, without its text; ``hint``: None where it cannot be read."""

    id: int
    created_at: int
    hint: str | None


class Sources:
    """The sources of a database, and changing them.

    Args:
        on_erased: called when a secret was erased, so that the files forget it, too.
        on_stale: called when something changed and could not be read: ``load`` is to be tried again.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        clock: Callable[[], int],
        entropy: Callable[[int], bytes],
        on_erased: Callable[[], None],
        on_stale: Callable[[], None],
    ):
        self._store = store
        self._vault = vault
        self._clock = clock
        self._entropy = entropy
        self._on_erased = on_erased
        self._on_stale = on_stale
        self._by_token: dict[bytes, OpenSource] = {}
        self._reading = asyncio.Lock()

    async def load(self) -> None:
        """Read all sources. Raises ``Unavailable``."""
        async with self._reading:
            kept = await self._store.sources.all()
            self._by_token = {each.token_digest: self._opened(each) for each in kept}

    async def _changed(self) -> None:
        # The change is made: that it cannot be read at this moment is nobody's refusal.
        try:
            await self.load()
        except Unavailable:
            self._on_stale()

    def _opened(self, kept: KeptSource) -> OpenSource:
        secrets = []
        for each in kept.secrets:
            try:
                secrets.append(self._vault.open(each.sealed, bound_to=_owner(kept.source.uuid)))
            except SecretUnreadable as trouble:
                # The others of the source go on; with none left, what comes is refused as our fault.
                _log.error("secret.unreadable", source=kept.source.slug, reason=trouble.message)
        return OpenSource(kept.source, tuple(secrets))

    def of_token(self, token: str) -> OpenSource | None:
        """The source that a token belongs to."""
        return self._by_token.get(digest_of_token(token))

    # -- sources ----------------------------------------------------------------------------------

    async def create(
        self, given: Mapping[str, Any], *, most_bytes: int, token: Secret | None = None
    ) -> MadeSource:
        """Make a source.

        Args:
            given: name, organization, scheme (checked), secrets, and what else there is.
            most_bytes: the longest body that this server takes.
            token: of its URL; None: a new one.

        Raises:
            Invalid: a field is against its rule.
            Conflict: the slug is taken.
        """
        name = check_name(given["name"])
        uuid = str(UUID(bytes=self._entropy(16), version=4))
        token = _token(self._entropy(TOKEN_BYTES)) if token is None else token
        now = self._clock()
        limit = given.get("max_body_bytes")
        new = NewSource(
            uuid=uuid,
            slug=check_slug(given.get("slug") or suggested_slug(name)),
            name=name,
            organization=check_organization(given["organization"]),
            scheme=given["scheme"],
            token_digest=digest_of_token(token.reveal()),
            deduplicate=_deduplicate(given.get("deduplicate", NOT_AT_ALL)),
            max_body_bytes=check_body_limit(
                min(USUAL_BODY, most_bytes) if limit is None else limit, most_bytes
            ),
            keep_refused=bool(given.get("keep_refused", False)),
            sealed=tuple(self._seal(each, uuid) for each in _secrets(given["secrets"])),
            now=now,
        )
        made = await self._store.sources.create(new)
        await self._changed()
        return MadeSource(made, token)

    async def find(self, slug: str) -> KeptSource:
        """The source by that slug. Raises ``NotFound``."""
        found = await self._store.sources.find(slug)
        if found is None:
            raise NotFound(
                "unknown-source",
                f"there is no source {excerpt(slug)}",
                "see GET /api/v1/sources for those there are",
            )
        return found

    async def change(self, slug: str, given: Mapping[str, Any], *, most_bytes: int) -> Source:
        """Change the fields that are given. Raises ``NotFound``, ``Invalid``."""
        checked: dict[str, Any] = {}
        if "name" in given:
            checked["name"] = check_name(given["name"])
        if "deduplicate" in given:
            checked["deduplicate"] = _deduplicate(given["deduplicate"])
        if "max_body_bytes" in given:
            checked["max_body_bytes"] = check_body_limit(given["max_body_bytes"], most_bytes)
        if "keep_refused" in given:
            checked["keep_refused"] = bool(given["keep_refused"])
        before = (await self.find(slug)).source
        changed = replace(before, **checked, updated_at=self._clock())
        changed = await self._store.sources.update(changed)
        await self._changed()
        return changed

    async def delete(self, slug: str) -> None:
        """Delete it: its URL is unknown from now on. Its routes stay, and get nothing new."""
        kept = await self.find(slug)
        await self._store.sources.delete(kept.source.id, self._clock())
        self._on_erased()
        await self._changed()

    # -- tokens and secrets -----------------------------------------------------------------------

    def token_of(self, slug: str) -> Secret:
        """The token that a slug has with this database's key: for a URL that has to stay as it is."""
        return _token(self._vault.derive(b"token of " + slug.encode()))

    async def replace_token(self, slug: str) -> MadeSource:
        """Give it another token; the URL before is unknown from now on. Raises ``NotFound``."""
        token = _token(self._entropy(TOKEN_BYTES))
        source = (await self.find(slug)).source
        digest = digest_of_token(token.reveal())
        await self._store.sources.replace_token(source.id, digest, self._clock())
        await self._changed()
        return MadeSource(source, token)

    async def secrets(self, slug: str) -> list[KnownSourceSecret]:
        """Its secrets, the oldest first, without their text. Raises ``NotFound``."""
        kept = await self.find(slug)
        return [
            KnownSourceSecret(each.id, each.created_at, self._hint(each.sealed, kept.source.uuid))
            for each in kept.secrets
        ]

    def _hint(self, sealed: bytes, uuid: str) -> str | None:
        try:
            return hint(self._vault.open(sealed, bound_to=_owner(uuid)))
        except SecretUnreadable:
            return None

    async def add_secret(self, slug: str, secret: str) -> int:
        """Take what is signed with another secret, too; its id.

        Raises:
            NotFound: there is no such source.
            Invalid: it is empty or endless.
            Conflict: there are two already.
        """
        checked = check_source_secret(secret, "/secret")
        source = (await self.find(slug)).source
        sealed = self._seal(checked, source.uuid)
        made = await self._store.sources.add_secret(source.id, sealed, self._clock(), MOST_SECRETS)
        await self._changed()
        return made

    async def drop_secret(self, slug: str, secret_id: int) -> None:
        """Erase a secret. Raises ``NotFound``, or ``Conflict`` where it is the last one."""
        source = (await self.find(slug)).source
        await self._store.sources.drop_secret(source.id, secret_id)
        self._on_erased()
        await self._changed()

    async def set_secrets(self, slug: str, secrets: Sequence[str]) -> None:
        """Let it have these secrets and no others. Raises as ``add_secret`` does."""
        kept = await self.find(slug)
        opened = {each.id: self._text(each.sealed, kept.source.uuid) for each in kept.secrets}
        unwanted = [number for number, text in opened.items() if text not in secrets]
        count = len(opened)
        for secret in secrets:
            if secret in opened.values():
                continue
            if count == MOST_SECRETS and unwanted:
                await self.drop_secret(slug, unwanted.pop(0))
                count -= 1
            await self.add_secret(slug, secret)
            count += 1
        for number in unwanted:
            await self.drop_secret(slug, number)

    def _text(self, sealed: bytes, uuid: str) -> str | None:
        try:
            return self._vault.open(sealed, bound_to=_owner(uuid)).reveal()
        except SecretUnreadable:
            return None

    def _seal(self, secret: str, uuid: str) -> bytes:
        return self._vault.seal(secret, bound_to=_owner(uuid))


def _token(chance: bytes) -> Secret:
    """32 bytes as 43 characters for a URL."""
    return Secret(urlsafe_b64encode(chance).decode().rstrip("="))


def _owner(uuid: str) -> bytes:
    return b"source " + uuid.encode()


def _secrets(given: list[str]) -> list[str]:
    if not 1 <= len(given) <= MOST_SECRETS:
        raise Invalid(
            "invalid-secrets",
            f"a source has 1 or {MOST_SECRETS} secrets, not {len(given)}",
            "give the one that the sender signs with; two while it is being rotated",
            where="/secrets",
        )
    return [check_source_secret(each, f"/secrets/{index}") for index, each in enumerate(given)]


def _deduplicate(given: str) -> str:
    if given in (NOT_AT_ALL, BY_REQUEST_ID, BY_BODY):
        return given
    return check_expression(given, "/deduplicate")
