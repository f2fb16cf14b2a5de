"""Registering and changing integrations, installations, resources and keys.

Each change is one transaction of the store; after it, and before the caller is answered, the directory
forgets what it knew, so that the next event is planned with what the caller was told.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from hookline.core import envelope
from hookline.core.actor import SYSTEM, Actor
from hookline.core.canonical import Document, encode
from hookline.core.errors import Invalid, NotFound
from hookline.core.matching import Candidate, plan_for_one
from hookline.core.model import BodyEncoding, Installation, Integration, Kind, Policy
from hookline.core.quoting import excerpt
from hookline.core.registration import check_fields, check_name, check_organization, suggested_slug
from hookline.core.resources import NOTICES, OPERATORS, Resource, define
from hookline.core.schedule import DEFAULT_SCHEDULE
from hookline.core.scopes import Scope, check_scopes
from hookline.core.secret import Secret
from hookline.core.source import Source
from hookline.send.directory import Directory
from hookline.send.intake import Submission
from hookline.send.publish import new_event
from hookline.send.routes import check_change, check_route, route_defaults
from hookline.store.contract import Store
from hookline.store.credentials import ApiKey
from hookline.store.values import NewEvent, NewInstallation, NewIntegration
from hookline.store.vault import Vault

__all__ = ["Registered", "Registry"]

KEY_PREFIX: Final = "hkl_"

_DEFAULTS: Final[dict[str, Any]] = {
    "kind": Kind.INTERNAL,
    "resources": (),
    "alertable": False,
    "timeout": 1.0,
    "max_in_flight": 32,
    "retry_schedule": DEFAULT_SCHEDULE,
    "body_encoding": BodyEncoding.JAVASCRIPT,
    "rate_limit": None,
    "ordered": False,
}


@dataclass(frozen=True, slots=True)
class Registered:
    """A new integration with its secret, which is shown only now."""

    integration: Integration
    client_secret: Secret
    installations: list[Installation]


class Registry:
    """What is registered, and changing it."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        vault: Vault,
        *,
        clock: Callable[[], int],
        ticker: Callable[[], int],
        entropy: Callable[[int], bytes],
        on_deliveries: Callable[[], None],
        on_chore: Callable[[], None] = lambda: None,
    ):
        self._store = store
        self._directory = directory
        self._vault = vault
        self._clock = clock
        self._ticker = ticker
        self._entropy = entropy
        self._on_deliveries = on_deliveries
        self._on_chore = on_chore
        self._changing = asyncio.Lock()

    # -- integrations -----------------------------------------------------------------------------

    async def create_integration(self, given: Mapping[str, Any]) -> Registered:
        """Register an integration; an internal one is installed in its organization at once.

        Raises:
            Invalid: a field is against its rule.
            Conflict: the slug is taken.
        """
        checked = check_fields(given, self._directory.resources)
        source = await self._source(checked.get("source"))
        defaults = _DEFAULTS if source is None else _DEFAULTS | route_defaults(source)
        fields = defaults | checked
        check_route(source, fields)
        _check_kind(fields)
        _check_notices(fields["resources"], fields.get("organization"))
        secret = Secret(self._entropy(32).hex())
        uuid = self._uuid()
        internal = fields["kind"] is Kind.INTERNAL
        integration = await self._store.create_integration(
            NewIntegration(
                uuid=uuid,
                slug=fields.get("slug") or suggested_slug(fields["name"]),
                name=fields["name"],
                kind=fields["kind"],
                organization=fields.get("organization"),
                webhook_url=fields["webhook_url"],
                client_id=self._entropy(32).hex(),
                sealed_secret=self._vault.seal(secret.reveal(), bound_to=uuid.encode()),
                resources=fields["resources"],
                alertable=fields["alertable"],
                policy=_policy(fields),
                installation_uuid=self._uuid() if internal else None,
                now=self._clock(),
                source_id=None if source is None else source.id,
                filter=fields.get("filter"),
            )
        )
        self._directory.changed()
        installations = await self._store.installations(integration_id=integration.id)
        return Registered(integration, secret, installations)

    async def _source(self, slug: str | None) -> Source | None:
        found = None if slug is None else await self._store.sources.find(slug)
        if slug is not None and found is None:
            raise Invalid(
                "unknown-source",
                f"there is no source {excerpt(slug)}",
                "see GET /api/v1/sources for those there are",
                where="/source",
            )
        return None if found is None else found.source

    async def integration(self, slug: str) -> Integration:
        """The integration by that slug. Raises ``NotFound``."""
        found = await self._store.integration(slug)
        if found is None:
            raise NotFound(
                "unknown-integration",
                f"there is no integration {excerpt(slug)}",
                "see GET /api/v1/integrations for those there are",
            )
        return found

    async def update_integration(self, slug: str, given: Mapping[str, Any]) -> Integration:
        """Change the fields that are given. Raises ``NotFound``, ``Invalid``."""
        fields = check_fields(given, self._directory.resources)
        async with self._changing:  # read, then write: two at once would undo one another
            before = await self.integration(slug)
            check_change(before, fields)
            _check_notices(fields.get("resources", ()), before.organization)
            changed = await self._store.update_integration(_changed(before, fields, self._clock()))
        self._directory.changed()
        self._on_deliveries()
        return changed

    async def delete_integration(self, slug: str) -> None:
        """Delete it and its installations; what waits for it is parked. Raises ``NotFound``."""
        integration = await self.integration(slug)
        if await self._store.delete_integration(integration.id, self._clock()):
            self._on_chore()
        self._directory.changed()

    # -- installations ----------------------------------------------------------------------------

    async def install(
        self, organization: str, slug: str, actor: Actor = SYSTEM
    ) -> tuple[Installation, str]:
        """Install a public integration, and tell it so; returns the installation and its code.

        Raises:
            NotFound: there is no such integration.
            Invalid: it is internal to an organization.
            Conflict: it is installed there already.
        """
        check_organization(organization)
        integration = await self.integration(slug)
        if integration.kind is Kind.INTERNAL:
            raise Invalid(
                "not-installable",
                f"{slug!r} is internal to {integration.organization!r} and installed there already",
                'only integrations of kind "public" are installed by organizations',
                where="/integration",
            )
        now = self._clock()
        uuid, code = self._uuid(), self._entropy(32).hex()
        organization_id = await self._store.ensure_organization(organization, now)
        announcement = self._announcement(
            "created", integration, uuid, organization, organization_id, actor, now, code
        )
        installation = await self._store.create_installation(
            NewInstallation(
                uuid, integration.id, organization, hashlib.sha256(code.encode()).digest(), now
            ),
            announcement,
        )
        self._directory.changed()
        self._on_deliveries()
        return installation, code

    async def uninstall(self, uuid: str, actor: Actor = SYSTEM) -> Installation:
        """Uninstall, and tell the integration so if it is public. Raises ``NotFound``."""
        installation = await self._store.installation(uuid)
        if installation is None or installation.deleted_at is not None:
            raise NotFound(
                "unknown-installation",
                f"there is no installation {excerpt(uuid)}",
                "see GET /api/v1/organizations/{organization}/installations for those there are",
            )
        integration = await self.integration(installation.integration)
        now = self._clock()
        announcement = None
        if integration.kind is Kind.PUBLIC:
            announcement = self._announcement(
                "deleted",
                integration,
                uuid,
                installation.organization,
                installation.organization_id,
                actor,
                now,
                installation_id=installation.id,
            )
        removed = await self._store.delete_installation(uuid, now, announcement)
        self._directory.changed()
        self._on_deliveries()
        return removed or installation

    def _announcement(
        self,
        action: str,
        integration: Integration,
        uuid: str,
        organization: str,
        organization_id: int,
        actor: Actor,
        now: int,
        code: str | None = None,
        installation_id: int = 0,
    ) -> NewEvent:
        document: dict[str, Document] = {
            "status": "installed",
            "organization": {"slug": organization, "id": organization_id},
            "app": {
                "uuid": integration.uuid,
                "slug": integration.slug,
                "sentryAppId": integration.id,
            },
            "uuid": uuid,
        }
        if code is not None:
            document["code"] = code
        candidate = Candidate(
            installation_id=installation_id,
            installation=uuid,
            integration_id=integration.id,
            integration=integration.slug,
            kind=integration.kind,
            resources=frozenset(integration.resources),
            alertable=integration.alertable,
            body_encoding=integration.policy.body_encoding,
        )
        data: Document = {"installation": document}
        tail = envelope.tail(encode(data).text, actor.encode())
        return new_event(
            organization_id,
            Submission("installation", action, None, None, tail, (), actor, {"data": data}),
            plan_for_one(candidate, "its own installation"),
            now=now,
            tick=self._ticker(),
            entropy=self._entropy,
        )

    # -- resources and keys -----------------------------------------------------------------------

    async def define_resource(self, name: str, actions: list[str]) -> Resource:
        """Register a publisher's own resource. Raises ``Invalid``, ``Conflict``."""
        resource = define(name, tuple(actions))
        await self._store.define_resource(name, resource.actions, self._clock())
        self._directory.registered(resource)
        return resource

    async def create_key(
        self, name: str, scopes: Sequence[str] = (Scope.ADMIN,)
    ) -> tuple[ApiKey, Secret]:
        """Make a key of the HTTP API; it is shown only now. Raises ``Invalid``."""
        checked, opens = check_name(name), check_scopes(scopes)
        key = Secret(KEY_PREFIX + self._entropy(32).hex())
        digest = hashlib.sha256(key.reveal().encode()).digest()
        return await self._store.add_api_key(checked, digest, opens, self._clock()), key

    async def revoke_key(self, key_id: int, *, keep_admin: bool) -> None:
        """Revoke a key. Raises ``NotFound``.

        With ``keep_admin`` the last key that may do everything stays: ``Conflict``.
        """
        if not await self._store.revoke_api_key(key_id, self._clock(), keep_admin=keep_admin):
            raise NotFound(
                "unknown-key",
                f"there is no key {key_id} in force",
                "see GET /api/v1/keys for those there are",
            )

    def _uuid(self) -> str:
        # Version 4, as the documented system's are: a receiver may well check that.
        return str(UUID(bytes=self._entropy(16), version=4))


def _changed(before: Integration, fields: Mapping[str, Any], now: int) -> Integration:
    policy = before.policy
    return replace(
        before,
        name=fields.get("name", before.name),
        webhook_url=fields.get("webhook_url", before.webhook_url),
        resources=fields.get("resources", before.resources),
        alertable=fields.get("alertable", before.alertable),
        policy=Policy(
            round(fields.get("timeout", policy.timeout_ms / 1000) * 1000),
            fields.get("max_in_flight", policy.max_in_flight),
            fields.get("retry_schedule", policy.retry_schedule),
            fields.get("body_encoding", policy.body_encoding),
            fields.get("rate_limit", policy.rate_limit),
            fields.get("ordered", policy.ordered),
        ),
        updated_at=now,
        filter=fields.get("filter", before.filter),
    )


def _policy(fields: Mapping[str, Any]) -> Policy:
    return Policy(
        round(fields["timeout"] * 1000),
        fields["max_in_flight"],
        fields["retry_schedule"],
        fields["body_encoding"],
        fields["rate_limit"],
        fields["ordered"],
    )


def _check_notices(resources: Sequence[str], organization: str | None) -> None:
    if NOTICES.name in resources and organization != OPERATORS:
        raise Invalid(
            "notices-elsewhere",
            f"notices go to internal integrations of the organization {OPERATORS!r} and to no others: "
            "they tell of everybody's integrations",
            f'register it with "organization": "{OPERATORS}"',
            where="/resources",
        )


def _check_kind(fields: Mapping[str, Any]) -> None:
    internal = fields["kind"] is Kind.INTERNAL
    if internal and fields.get("organization") is None:
        raise Invalid(
            "missing-organization",
            "an internal integration belongs to one organization, and none is given",
            'give "organization", or "kind": "public"',
            where="/organization",
        )
    if not internal and fields.get("organization") is not None:
        raise Invalid(
            "organization-not-allowed",
            "a public integration belongs to no single organization",
            'leave "organization" out, and install it where it is wanted',
            where="/organization",
        )
