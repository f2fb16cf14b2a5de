-- The first schema, which is what SQLite's is after its fifth migration, and in the words of PostgreSQL.
-- Instants are integers: microseconds since the epoch, UTC. Ids of events and deliveries are UUIDs of
-- version 7 (16 bytes), so that their indexes grow at one end. Text that is sorted or compared is so by
-- its bytes (COLLATE "C"), whatever the database's own collation.
-- All of it stands in a schema of its own, "hookline", which is the search path of our connections: the
-- database may well be the publisher's, who has an "events" too.

CREATE TABLE migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at bigint NOT NULL
);

-- Small facts about this database: the fingerprint of the key that seals its secrets.
CREATE TABLE facts (
    name text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
) WITH (fillfactor = 50);

-- Rows that are written again and again are there from the start, so that writing them is an update, which
-- can pass over a row that another node has locked.
-- 'version' is counted up by whatever changes what nodes keep in memory.
INSERT INTO facts (name, value) VALUES ('latest-settled', '0'), ('probe', ''), ('version', '0');

CREATE TABLE api_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    digest bytea NOT NULL UNIQUE,
    scopes text NOT NULL,
    created_at bigint NOT NULL,
    revoked_at bigint
);

CREATE TABLE organizations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text COLLATE "C" NOT NULL UNIQUE,
    created_at bigint NOT NULL
);

CREATE TABLE resources (
    name text COLLATE "C" PRIMARY KEY,
    actions text NOT NULL,
    created_at bigint NOT NULL
);

-- Where webhooks of others come in.
CREATE TABLE sources (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid text COLLATE "C" NOT NULL UNIQUE,
    slug text COLLATE "C" NOT NULL,
    name text NOT NULL,
    organization_id bigint NOT NULL REFERENCES organizations (id),
    scheme text NOT NULL,
    token_digest bytea NOT NULL,
    deduplicate text NOT NULL,
    max_body_bytes bigint NOT NULL,
    keep_refused boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deleted_at bigint
);

-- A deleted source keeps its row: the ids of its events are made of its own. Its slug is free again.
CREATE UNIQUE INDEX sources_slug ON sources (slug) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX sources_token ON sources (token_digest) WHERE deleted_at IS NULL;

-- What the sender signs with, sealed. As in "secrets": rows are only added, and erased in their place.
CREATE TABLE source_secrets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL REFERENCES sources (id),
    sealed bytea NOT NULL,
    created_at bigint NOT NULL
);

CREATE INDEX source_secrets_source ON source_secrets (source_id);

-- The last requests that were refused, where a source keeps them; of each body the beginning.
CREATE TABLE refused_requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL REFERENCES sources (id),
    at bigint NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    headers bytea NOT NULL,
    body bytea NOT NULL,
    body_bytes bigint NOT NULL
);

CREATE INDEX refused_requests_source ON refused_requests (source_id, id);

-- source_id, filter: the source that it is a route of, and which of its webhooks it takes.
CREATE TABLE integrations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid text COLLATE "C" NOT NULL UNIQUE,
    slug text COLLATE "C" NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('internal', 'public')),
    organization_id bigint REFERENCES organizations (id),
    webhook_url text NOT NULL,
    client_id text COLLATE "C" NOT NULL UNIQUE,
    resources text NOT NULL,
    alertable boolean NOT NULL,
    timeout_ms integer NOT NULL,
    max_in_flight integer NOT NULL,
    retry_schedule text NOT NULL,
    body_encoding text NOT NULL CHECK (body_encoding IN ('javascript', 'ascii')),
    rate_number integer,
    rate_per text CHECK (rate_per IN ('second', 'minute')),
    ordered boolean NOT NULL DEFAULT false,
    unsubscribed_at bigint,
    unsubscribe_reason text
    CHECK (unsubscribe_reason IN ('timeouts', 'failures', 'gone', 'manual')),
    unsubscribe_detail text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deleted_at bigint,
    source_id bigint REFERENCES sources (id),
    filter text
);

-- A deleted integration keeps its row, for the log; its slug is free again.
CREATE UNIQUE INDEX integrations_slug ON integrations (slug) WHERE deleted_at IS NULL;

CREATE TABLE secrets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id bigint NOT NULL REFERENCES integrations (id),
    sealed bytea NOT NULL,
    created_at bigint NOT NULL
);

CREATE INDEX secrets_integration ON secrets (integration_id);

-- A rotation under way: until it ends, two secrets of the integration are valid, the newest and this
-- one before it, which signs if it was chosen.
CREATE TABLE rotations (
    integration_id bigint PRIMARY KEY REFERENCES integrations (id),
    secret_id bigint NOT NULL UNIQUE REFERENCES secrets (id),
    expires_at bigint NOT NULL,
    chosen boolean NOT NULL
);

CREATE INDEX rotations_expiring ON rotations (expires_at);

CREATE TABLE installations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid text COLLATE "C" NOT NULL UNIQUE,
    integration_id bigint NOT NULL REFERENCES integrations (id),
    organization_id bigint NOT NULL REFERENCES organizations (id),
    code_digest bytea,
    created_at bigint NOT NULL,
    deleted_at bigint
);

CREATE UNIQUE INDEX installations_live ON installations (organization_id, integration_id)
WHERE deleted_at IS NULL;
CREATE INDEX installations_integration ON installations (integration_id);

-- Which installations were considered for an event, and why each was or was not chosen. Thousands of
-- events share one row: its id is a digest of its content. last_used_at: to the day.
CREATE TABLE plans (
    id bytea PRIMARY KEY,
    considered text NOT NULL,
    last_used_at bigint NOT NULL
);

-- forwarded: what is kept of a request that came in by a source, beside its body, which is the tail.
CREATE TABLE events (
    id bytea PRIMARY KEY,
    organization_id bigint NOT NULL,
    external_id text COLLATE "C",
    resource text NOT NULL,
    action text NOT NULL,
    tail bytea NOT NULL,
    tail_ascii bytea,
    targets text,
    warnings text,
    plan_id bytea NOT NULL,
    delivery_count integer NOT NULL,
    accepted_at bigint NOT NULL,
    forwarded bytea
) WITH (
    -- From 2 kB on the server would squeeze a row with pglz: 58 µs for an event of 2 kB, where storing it took
    -- 23. So up to 8 kB, what a page takes, it stays as it is (ADR 0008).
    toast_tuple_target = 8160
);

-- What is longer goes by lz4 where the server was built with it, which takes a tenth of pglz's time.
DO $$
BEGIN
    ALTER TABLE events ALTER tail SET COMPRESSION lz4, ALTER tail_ascii SET COMPRESSION lz4,
    ALTER forwarded SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END
$$;

CREATE UNIQUE INDEX events_external ON events (external_id, organization_id)
WHERE external_id IS NOT NULL;

CREATE TABLE deliveries (
    id bytea PRIMARY KEY,
    event_id bytea NOT NULL,
    organization_id bigint NOT NULL,
    installation_id bigint NOT NULL,
    integration_id bigint NOT NULL,
    in_ascii boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'leased', 'delivered', 'parked')),
    park_reason text,
    due_at bigint NOT NULL,
    lease bigint,
    leased_until bigint,
    attempts_made integer NOT NULL DEFAULT 0,
    schedule_position integer NOT NULL DEFAULT 0,
    settled_at bigint,
    CHECK ((state = 'leased') = (lease IS NOT NULL))
) WITH (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0
);

-- The hot sets. They hold only what waits and what is under way, however long the log grows.
CREATE INDEX deliveries_waiting ON deliveries (organization_id, integration_id, due_at, id)
WHERE state = 'waiting';
CREATE INDEX deliveries_leased ON deliveries (leased_until) WHERE state = 'leased';

CREATE INDEX deliveries_event ON deliveries (event_id);
CREATE INDEX deliveries_integration ON deliveries (integration_id, id);

-- Recovering goes through what is parked and nothing else.
CREATE INDEX deliveries_parked ON deliveries (integration_id, id) WHERE state = 'parked';

-- A partition a day of the deliveries' ids, made ahead and dropped whole (partitions.py). What is of another
-- day stands in the one by default.
CREATE TABLE attempts (
    delivery_id bytea NOT NULL,
    number integer NOT NULL,
    started_at bigint NOT NULL,
    url text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('success', 'failure', 'timeout', 'blocked')),
    detail text NOT NULL,
    status integer,
    signature text NOT NULL,
    dns_us bigint NOT NULL,
    connect_us bigint NOT NULL,
    tls_us bigint NOT NULL,
    first_byte_us bigint NOT NULL,
    total_us bigint NOT NULL,
    address text NOT NULL,
    http_version text NOT NULL,
    response_head bytea NOT NULL,
    response_body bytea NOT NULL,
    response_cut boolean NOT NULL,
    PRIMARY KEY (delivery_id, number)
) PARTITION BY RANGE (delivery_id);

CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

-- One row an integration: how many more of its attempts may begin (core/gate.py), and what the rules of
-- unsubscribing go by (core/unsubscribing.py).
-- opens_at: when time alone lets a lane on that waits at this gate; NULL when none waits, or when it takes
-- a freed slot.
CREATE TABLE gates (
    integration_id bigint PRIMARY KEY,
    in_flight integer NOT NULL DEFAULT 0 CHECK (in_flight >= 0),
    max_in_flight integer NOT NULL,
    rate_number integer,
    rate_per text CHECK (rate_per IN ('second', 'minute')),
    rate_next_at bigint NOT NULL DEFAULT 0,
    pace_window integer NOT NULL DEFAULT 1000,
    cut_at bigint NOT NULL DEFAULT 0,
    answered_at bigint NOT NULL DEFAULT 0,
    slow boolean NOT NULL DEFAULT false,
    level integer NOT NULL DEFAULT 0,
    held_until bigint NOT NULL DEFAULT 0,
    closed text CHECK (closed IN ('unsubscribed', 'deleted')),
    timeouts bigint NOT NULL DEFAULT 0,
    counted_from bigint NOT NULL DEFAULT 0,
    warned bigint NOT NULL DEFAULT 0,
    warned_at bigint NOT NULL DEFAULT 0,
    failing_since bigint,
    failing_day bigint NOT NULL DEFAULT 0,
    success_at bigint,
    opens_at bigint
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX gates_opening ON gates (opens_at) WHERE opens_at IS NOT NULL;

-- What waits for an integration in an organization. A lane is in its organization's line (ready_at), or
-- waits at its gate (gated_at), or neither: nothing waits in it, or it is ordered and has an attempt under
-- way. held_until: an ordered lane whose first delivery is to be retried. sweep: the gate was closed, and
-- what waits here is still to be parked.
CREATE TABLE lanes (
    organization_id bigint NOT NULL,
    integration_id bigint NOT NULL,
    slow boolean NOT NULL DEFAULT false,
    ordered boolean NOT NULL DEFAULT false,
    ready_at bigint,
    gated_at bigint,
    in_flight integer NOT NULL DEFAULT 0 CHECK (in_flight >= 0),
    held_until bigint NOT NULL DEFAULT 0,
    sweep boolean NOT NULL DEFAULT false,
    PRIMARY KEY (organization_id, integration_id),
    CHECK (ready_at IS NULL OR gated_at IS NULL)
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX lanes_line ON lanes (organization_id, slow, ready_at, integration_id)
WHERE ready_at IS NOT NULL;
CREATE INDEX lanes_gated ON lanes (integration_id, gated_at) WHERE gated_at IS NOT NULL;
CREATE INDEX lanes_sweep ON lanes (integration_id) WHERE sweep;
CREATE INDEX lanes_integration ON lanes (integration_id, organization_id);

-- The organizations' places in the two lines, the quick one and the slow one: when something of theirs is
-- ready, or since when they wait for their turn.
CREATE TABLE turns (
    organization_id bigint NOT NULL,
    slow boolean NOT NULL,
    ready_at bigint,
    PRIMARY KEY (organization_id, slow)
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX turns_line ON turns (slow, ready_at, organization_id) WHERE ready_at IS NOT NULL;

-- Notes for the next lease (see lanes.sql): since "at" something new waits in this lane; where the integration
-- is NULL, the organization's line has changed, and its place among the others is to be looked at.
CREATE TABLE arrivals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id bigint NOT NULL,
    integration_id bigint,
    at bigint NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- Those of lines are few among those of lanes, of which a million may be there when nobody has leased for a
-- while: they are not to be looked for among them.
CREATE INDEX arrivals_lines ON arrivals (id) WHERE integration_id IS NULL;

-- The newest timeouts of each integration, numbered: the thousandth newest is one look-up.
CREATE TABLE timeouts (
    integration_id bigint NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (integration_id, number)
);

-- What operators are told. Written in the transaction that it tells of; published_at and mailed_at: when
-- each way of telling was done with.
CREATE TABLE notices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('warned', 'unsubscribed', 'resubscribed')),
    integration_id bigint NOT NULL REFERENCES integrations (id),
    reason text NOT NULL,
    message text NOT NULL,
    published_at bigint,
    mailed_at bigint
);

CREATE INDEX notices_unpublished ON notices (id) WHERE published_at IS NULL;
CREATE INDEX notices_unmailed ON notices (id) WHERE mailed_at IS NULL;
CREATE INDEX notices_integration ON notices (integration_id, id);

-- Recoveries under way: which of an integration's final deliveries are made to wait again, and how far.
CREATE TABLE recoveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id bigint NOT NULL REFERENCES integrations (id),
    states text NOT NULL,
    parked_since bigint NOT NULL,
    after_id bytea NOT NULL,
    until_id bytea NOT NULL,
    recovered bigint NOT NULL DEFAULT 0,
    begun_at bigint NOT NULL,
    done_at bigint
);

CREATE INDEX recoveries_open ON recoveries (id) WHERE done_at IS NULL;
CREATE INDEX recoveries_integration ON recoveries (integration_id, id);
