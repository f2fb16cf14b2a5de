-- Sources: webhooks of others come in by them, and go on through the ordinary way out.

CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    scheme TEXT NOT NULL,
    token_digest BLOB NOT NULL,
    deduplicate TEXT NOT NULL,
    max_body_bytes INTEGER NOT NULL,
    keep_refused INTEGER NOT NULL CHECK (keep_refused IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

-- A deleted source keeps its row: the ids of its events are made of its own. Its slug is free again.
CREATE UNIQUE INDEX sources_slug ON sources (slug) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX sources_token ON sources (token_digest) WHERE deleted_at IS NULL;

-- What the sender signs with, sealed. As in "secrets": rows are only added, and erased in their place.
CREATE TABLE source_secrets (
    id INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES sources (id),
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX source_secrets_source ON source_secrets (source_id);

-- The last requests that were refused, where a source keeps them; of each body the beginning.
CREATE TABLE refused_requests (
    id INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES sources (id),
    at INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    headers BLOB NOT NULL,
    body BLOB NOT NULL,
    body_bytes INTEGER NOT NULL
) STRICT;

CREATE INDEX refused_requests_source ON refused_requests (source_id, id);

-- The source that an integration is a route of, and which of its webhooks it takes.
ALTER TABLE integrations ADD COLUMN source_id INTEGER REFERENCES sources (id);
ALTER TABLE integrations ADD COLUMN filter TEXT;

-- What is kept of a request that came in by a source, beside its body, which is the tail.
ALTER TABLE events ADD COLUMN forwarded BLOB;
