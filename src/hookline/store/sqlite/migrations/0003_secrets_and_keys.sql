-- Client secrets are rotated with an overlap, and keys of the API have scopes.

-- expires_at: NULL for the newest, which has no end. chosen: it signs until then, though there is a
-- newer one.
ALTER TABLE secrets ADD COLUMN expires_at INTEGER;
ALTER TABLE secrets ADD COLUMN chosen INTEGER NOT NULL DEFAULT 0 CHECK (chosen IN (0, 1));

-- The few that have an end, soonest first.
CREATE INDEX secrets_expiring ON secrets (expires_at) WHERE expires_at IS NOT NULL;

-- A JSON list. Keys that were made before there were scopes opened everything.
ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '["admin"]';
