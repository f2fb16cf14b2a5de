-- Client secrets are rotated with an overlap, and keys of the API have scopes.

-- A rotation under way: until it ends, two secrets of the integration are valid, the newest and this
-- one before it, which signs if it was chosen. Its facts stand here and not beside the secret, because
-- rows of "secrets" must never move: SQLite would leave a copy of the sealed text where one was.
CREATE TABLE rotations (
    integration_id INTEGER PRIMARY KEY REFERENCES integrations (id),
    secret_id INTEGER NOT NULL UNIQUE REFERENCES secrets (id),
    expires_at INTEGER NOT NULL,
    chosen INTEGER NOT NULL CHECK (chosen IN (0, 1))
) STRICT;

CREATE INDEX rotations_expiring ON rotations (expires_at);

-- A JSON list. Keys that were made before there were scopes opened everything.
ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '["admin"]';
