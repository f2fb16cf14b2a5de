"""What publishing and dispatching must know of integrations, kept in memory.

Subscriptions, URLs, policies and secrets change rarely and are needed for every event, so they are read
once and forgotten when something changes: whoever changes an integration or an installation calls
``changed()`` after the commit and before answering. A read that was under way at that moment is not
kept (``_generation``), so a stale answer cannot settle in.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from hookline.core.errors import SecretUnreadable
from hookline.core.matching import Candidate, Plan, plan
from hookline.core.model import Policy
from hookline.core.resources import Resource, check_action, define, find
from hookline.core.rotation import Term, signer
from hookline.core.secret import Secret
from hookline.core.urls import receiver_of
from hookline.send.intake import Submission
from hookline.store.contract import Store
from hookline.store.values import Route
from hookline.store.vault import Vault

__all__ = ["Directory", "OpenRoute", "Organization"]

_log = structlog.get_logger("hookline.directory")

MAX_ORGANIZATIONS = 10_000
MAX_PLANS = 200  # an organization's decisions, by resource and targets


@dataclass(frozen=True, slots=True)
class OpenRoute:
    """How an integration's requests are made; the secrets are open, and only here.

    Attributes:
        slug: the integration's, for the log.
        receiver: the URL's ``host:port``, for the log.
    """

    slug: str
    webhook_url: str
    policy: Policy
    terms: tuple[Term, ...]
    secrets: tuple[Secret, ...]
    receiver: str

    def signing_secret(self, now: int) -> Secret:
        """The secret that signs an attempt which begins now; a route may be as old as it likes."""
        return self.secrets[signer(self.terms, now)]


@dataclass(slots=True)
class Organization:
    """An organization's installations, and the decisions made about them so far."""

    id: int | None
    candidates: Sequence[Candidate]
    plans: dict[tuple[str, tuple[str, ...] | None], Plan] = field(default_factory=dict)


class Directory:
    """A cache over the store that is told of changes."""

    def __init__(self, store: Store, vault: Vault):
        self._store = store
        self._vault = vault
        self._generation = 0
        self._organizations: OrderedDict[str, Organization] = OrderedDict()
        self._routes: dict[int, OpenRoute] = {}
        self._registered: dict[str, Resource] = {}

    async def load(self) -> None:
        """Read what is needed from the first event on: the registered resources."""
        rows = await self._store.resources()
        # None is ever taken back, and one may have been registered since they were read.
        self._registered |= {name: define(name, actions) for name, actions in rows.items()}

    def changed(self) -> None:
        """Forget what was read of organizations and integrations."""
        self._generation += 1
        self._organizations.clear()
        self._routes.clear()

    def registered(self, resource: Resource) -> None:
        """Know a resource that was just registered."""
        self._registered[resource.name] = resource

    @property
    def resources(self) -> dict[str, Resource]:
        """The registered resources, by name."""
        return self._registered

    def resource(self, name: str, action: str) -> Resource:
        """The resource by that name, which has that action. Raises ``Invalid``."""
        resource = find(name, self._registered)
        check_action(resource, action)
        return resource

    async def organization(self, slug: str) -> Organization:
        """Who might want an organization's events."""
        known = self._organizations.get(slug)
        if known is not None:
            self._organizations.move_to_end(slug)
            return known
        generation = self._generation
        organization = Organization(*await self._store.candidates(slug))
        if generation == self._generation and organization.id is not None:
            self._organizations[slug] = organization
            if len(self._organizations) > MAX_ORGANIZATIONS:
                self._organizations.popitem(last=False)
        return organization

    def plan(self, organization: Organization, submission: Submission) -> Plan:
        """Where an event of the organization goes.

        Raises:
            Invalid: an unknown resource, action or target.
        """
        resource = self.resource(submission.resource, submission.action)
        key = (resource.name, submission.targets)
        known = organization.plans.get(key)
        if known is None:
            known = plan(resource, organization.candidates, submission.targets)
            if len(organization.plans) >= MAX_PLANS:
                organization.plans.clear()
            organization.plans[key] = known
        return known

    async def routes(self, integration_ids: Iterable[int]) -> dict[int, OpenRoute]:
        """How the requests of these integrations are made; one whose secret is unreadable is missing."""
        found = {}
        missing = []
        for integration_id in set(integration_ids):
            route = self._routes.get(integration_id)
            if route is None:
                missing.append(integration_id)
            else:
                found[integration_id] = route
        if missing:
            found |= await self._read_routes(missing)
        return found

    async def _read_routes(self, integration_ids: Sequence[int]) -> dict[int, OpenRoute]:
        generation = self._generation
        rows = await self._store.routes(integration_ids)
        routes = {row.integration_id: opened for row in rows if (opened := self._opened(row))}
        if generation == self._generation:
            self._routes |= routes
        return routes

    def _opened(self, row: Route) -> OpenRoute | None:
        terms, secrets = [], []
        for term, sealed in row.secrets:
            try:
                secrets.append(self._vault.open(sealed, bound_to=row.uuid.encode()))
                terms.append(term)
            except SecretUnreadable as trouble:
                # One secret that was tampered with must not stop everybody else's deliveries. Nor,
                # once it was rotated for that, its own integration's.
                _log.error("secret.unreadable", integration=row.uuid, reason=trouble.message)
                if term.chosen or term.expires_at is None:
                    return None
        return OpenRoute(
            row.slug,
            row.webhook_url,
            row.policy,
            tuple(terms),
            tuple(secrets),
            receiver_of(row.webhook_url),
        )
