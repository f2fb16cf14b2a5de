"""Sources, what their senders sign with, and what was refused."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hookline.core.errors import Conflict, NotFound
from hookline.core.source import Source
from hookline.store.verbs.asking import Ask, Row, Verb
from hookline.store.verbs.registry import ensure_organization

__all__ = [
    "KeptRequest",
    "KeptSecret",
    "KeptSource",
    "NewSource",
    "Refused",
    "add_secret",
    "create_source",
    "delete_source",
    "drop_secret",
    "keep_refused",
    "refused",
    "replace_token",
    "source",
    "sources",
    "update_source",
]


class KeptSecret(NamedTuple):
    """A secret of a source as it is kept."""

    id: int
    created_at: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeptSource:
    """A source as it is kept.

    Attributes:
        token_digest: what is kept of its token: SHA-256.
        secrets: the oldest first.
    """

    source: Source
    token_digest: bytes
    secrets: tuple[KeptSecret, ...]


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source to make, checked; ``sealed``: its secrets."""

    uuid: str
    slug: str
    name: str
    organization: str
    scheme: str
    token_digest: bytes
    deduplicate: str
    max_body_bytes: int
    keep_refused: bool
    sealed: tuple[bytes, ...]
    now: int


class Refused(NamedTuple):
    """A request that was refused.

    Attributes:
        at: when, in µs since the epoch.
        headers: as ``core.forwarding`` encodes them.
        body: its beginning.
        body_bytes: how long all of it was.
    """

    source_id: int
    at: int
    code: str
    message: str
    headers: bytes
    body: bytes
    body_bytes: int


class KeptRequest(NamedTuple):
    """A refused request as it is kept; the fields are those of ``Refused``."""

    id: int
    at: int
    code: str
    message: str
    headers: bytes
    body: bytes
    body_bytes: int


def create_source(new: NewSource) -> Verb[Source]:
    """Make a source, its organization too if that is new."""
    organization_id = yield from ensure_organization(new.organization, new.now)
    inserted = yield Ask(
        "insert_source",
        (
            new.uuid,
            new.slug,
            new.name,
            organization_id,
            new.scheme,
            new.token_digest,
            new.deduplicate,
            new.max_body_bytes,
            new.keep_refused,
            new.now,
        ),
    )
    if not inserted.rows:
        raise Conflict(
            "slug-taken",
            f"there is a source {new.slug!r} already",
            "choose another slug, or change that one with PATCH",
            where="/slug",
        )
    for sealed in new.sealed:
        yield Ask("insert_source_secret", (inserted.rows[0][0], sealed, new.now))
    made = yield from source(new.slug)
    assert made is not None, "written in this transaction"  # noqa: S101
    return made.source


def update_source(changed: Source) -> Verb[Source]:
    """Replace what may change."""
    yield from _check_there(changed.id)
    yield Ask(
        "update_source",
        (
            changed.id,
            changed.name,
            changed.deduplicate,
            changed.max_body_bytes,
            changed.keep_refused,
            changed.updated_at,
        ),
    )
    if not changed.keep_refused:
        yield Ask("delete_refused", (changed.id,))
    return changed


def replace_token(source_id: int, digest: bytes, now: int) -> Verb[None]:
    """Give it another token."""
    yield from _check_there(source_id)
    yield Ask("replace_token", (source_id, digest, now))


def delete_source(source_id: int, now: int) -> Verb[None]:
    """Delete it with its secrets, and what was refused."""
    yield from _check_there(source_id)
    yield Ask("delete_source", (source_id, now))
    yield Ask("delete_refused", (source_id,))
    secrets = (yield Ask("source_secrets", rows=[(source_id,)])).rows
    yield Ask("erase_source_secrets", rows=[(row[1],) for row in secrets])


def _check_there(source_id: int) -> Verb[None]:
    answer = yield Ask("source_there", (source_id,))
    if not answer.rows:
        raise NotFound(
            "unknown-source",
            "the source was deleted a moment ago",
            "see GET /api/v1/sources for those there are",
        )


def source(slug: str) -> Verb[KeptSource | None]:
    """The source by that slug."""
    rows = (yield Ask("source", (slug,))).rows
    found = yield from _with_secrets(rows)
    return found[0] if found else None


def sources() -> Verb[list[KeptSource]]:
    """All sources, by slug."""
    rows = (yield Ask("sources")).rows
    found = yield from _with_secrets(rows)
    return found


def _with_secrets(rows: Sequence[Row]) -> Verb[list[KeptSource]]:
    answer = yield Ask("source_secrets", rows=[(row[0],) for row in rows])
    secrets: defaultdict[int, list[KeptSecret]] = defaultdict(list)
    for source_id, *kept in answer.rows:
        secrets[source_id].append(KeptSecret(*kept))
    return [KeptSource(_source(row), row[12], tuple(sorted(secrets[row[0]]))) for row in rows]


def _source(row: Row) -> Source:
    return Source(
        id=row[0],
        uuid=row[1],
        slug=row[2],
        name=row[3],
        organization_id=row[4],
        organization=row[5],
        scheme=row[6],
        deduplicate=row[7],
        max_body_bytes=row[8],
        keep_refused=bool(row[9]),
        created_at=row[10],
        updated_at=row[11],
    )


def add_secret(source_id: int, sealed: bytes, now: int, most: int) -> Verb[int]:
    """Add a secret, where it has not so many yet."""
    yield from _check_there(source_id)
    there = (yield Ask("source_secrets", rows=[(source_id,)])).rows
    if len(there) >= most:
        raise Conflict(
            "too-many-secrets",
            f"the source has {len(there)} secrets, and {most} are the most",
            "drop the one that the sender signs with no more",
        )
    inserted = yield Ask("insert_source_secret", (source_id, sealed, now))
    return int(inserted.rows[0][0])


def drop_secret(source_id: int, secret_id: int) -> Verb[None]:
    """Erase a secret that is not the last one."""
    yield from _check_there(source_id)
    there = [row[1] for row in (yield Ask("source_secrets", rows=[(source_id,)])).rows]
    if secret_id not in there:
        raise NotFound(
            "unknown-secret",
            f"the source has no secret {secret_id}",
            "see GET /api/v1/sources/{slug}/secrets for those it has",
        )
    if len(there) == 1:
        raise Conflict(
            "last-secret",
            "it is the source's only secret: nothing could be verified without it",
            "add the new secret first, or delete the source",
        )
    yield Ask("erase_source_secrets", rows=[(secret_id,)])


def keep_refused(refused_: Sequence[Refused], most: int) -> Verb[None]:
    """Keep requests, and of each source no more than the newest."""
    yield Ask("insert_refused", rows=refused_)
    for source_id in dict.fromkeys(each.source_id for each in refused_):
        yield Ask("delete_old_refused", (source_id, most))


def refused(source_id: int, limit: int) -> Verb[list[KeptRequest]]:
    """What was refused of a source, newest first."""
    answer = yield Ask("refused", (source_id, limit))
    return [KeptRequest(*row) for row in answer.rows]
