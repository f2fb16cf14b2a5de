-- The first schema.
-- Instants are integers: microseconds since the epoch, UTC. Ids of events and deliveries are UUIDs of
-- version 7 (16 bytes), so that their indexes grow at one end.

CREATE TABLE migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- Small facts about this file: the fingerprint of the key that seals its secrets.
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE organizations (
    id INTEGER PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE resources (
    name TEXT PRIMARY KEY,
    actions TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE integrations (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('internal', 'public')),
    organization_id INTEGER REFERENCES organizations (id),
    webhook_url TEXT NOT NULL,
    client_id TEXT NOT NULL UNIQUE,
    resources TEXT NOT NULL,
    alertable INTEGER NOT NULL CHECK (alertable IN (0, 1)),
    status TEXT NOT NULL CHECK (status IN ('subscribed', 'unsubscribed')),
    timeout_ms INTEGER NOT NULL,
    max_in_flight INTEGER NOT NULL,
    retry_schedule TEXT NOT NULL,
    body_encoding TEXT NOT NULL CHECK (body_encoding IN ('javascript', 'ascii')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

-- A deleted integration keeps its row, for the log; its slug is free again.
CREATE UNIQUE INDEX integrations_slug ON integrations (slug) WHERE deleted_at IS NULL;

CREATE TABLE secrets (
    id INTEGER PRIMARY KEY,
    integration_id INTEGER NOT NULL REFERENCES integrations (id),
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX secrets_integration ON secrets (integration_id);

CREATE TABLE installations (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    integration_id INTEGER NOT NULL REFERENCES integrations (id),
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    code_digest BLOB,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE UNIQUE INDEX installations_live ON installations (organization_id, integration_id)
WHERE deleted_at IS NULL;
CREATE INDEX installations_integration ON installations (integration_id);

-- Which installations were considered for an event, and why each was or was not chosen. Thousands of
-- events share one row: its id is a digest of its content.
CREATE TABLE plans (
    id BLOB PRIMARY KEY,
    considered TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id BLOB PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    external_id TEXT,
    resource TEXT NOT NULL,
    action TEXT NOT NULL,
    tail BLOB NOT NULL,
    tail_ascii BLOB,
    targets TEXT,
    warnings TEXT,
    plan_id BLOB NOT NULL,
    delivery_count INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX events_external ON events (external_id, organization_id)
WHERE external_id IS NOT NULL;

CREATE TABLE deliveries (
    id BLOB PRIMARY KEY,
    event_id BLOB NOT NULL,
    organization_id INTEGER NOT NULL,
    installation_id INTEGER NOT NULL,
    integration_id INTEGER NOT NULL,
    in_ascii INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'leased', 'delivered', 'parked')),
    park_reason TEXT,
    due_at INTEGER NOT NULL,
    lease INTEGER,
    leased_until INTEGER,
    attempts_made INTEGER NOT NULL DEFAULT 0,
    schedule_position INTEGER NOT NULL DEFAULT 0,
    settled_at INTEGER,
    CHECK ((state = 'leased') = (lease IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- The two hot sets. They hold only what waits and what is under way, however long the log grows.
CREATE INDEX deliveries_waiting ON deliveries (integration_id, due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_leased ON deliveries (leased_until) WHERE state = 'leased';

CREATE INDEX deliveries_event ON deliveries (event_id);
CREATE INDEX deliveries_integration ON deliveries (integration_id, id);

-- One small row an integration: what makes it runnable. Leasing reads these and then only the first
-- rows of runnable lanes, so a dead integration's backlog costs nothing, however long it is.
-- ready_at: when it has something to lease and room for it; NULL when nothing waits or all its slots
-- are taken.
CREATE TABLE lanes (
    integration_id INTEGER PRIMARY KEY,
    ready_at INTEGER,
    in_flight INTEGER NOT NULL DEFAULT 0 CHECK (in_flight >= 0),
    max_in_flight INTEGER NOT NULL
) STRICT;

CREATE INDEX lanes_ready ON lanes (ready_at) WHERE ready_at IS NOT NULL;

CREATE TABLE attempts (
    delivery_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    url TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('success', 'failure', 'timeout', 'blocked')),
    detail TEXT NOT NULL,
    status INTEGER,
    signature TEXT NOT NULL,
    dns_us INTEGER NOT NULL,
    connect_us INTEGER NOT NULL,
    tls_us INTEGER NOT NULL,
    first_byte_us INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    address TEXT NOT NULL,
    http_version TEXT NOT NULL,
    response_head BLOB NOT NULL,
    response_body BLOB NOT NULL,
    response_cut INTEGER NOT NULL,
    PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;
