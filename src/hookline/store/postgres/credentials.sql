-- Client secrets, keys of the API, and small facts about the database. See verbs/credentials.py.

-- secrets --
-- The client secrets of integrations: the newest of each, and the one before during a rotation; those
-- before are erased.
SELECT s.integration_id, s.id, s.created_at, r.expires_at, coalesce(r.chosen, false), s.sealed
FROM secrets AS s LEFT JOIN rotations AS r ON r.secret_id = s.id
WHERE s.integration_id = ANY ($1::bigint[]) AND (
    r.secret_id IS NOT NULL
    OR s.id = (SELECT max(id) FROM secrets WHERE integration_id = s.integration_id)
)

-- newest_secret --
-- An integration's newest secret.
SELECT max(id) FROM secrets WHERE integration_id = $1

-- insert_secret --
-- Add a secret.
INSERT INTO secrets (integration_id, sealed, created_at) VALUES ($1, $2, $3)

-- erase_secrets --
-- Erase secrets: what is left of a row says only that there was one. The dead copy that an update leaves in its
-- page goes when the table is vacuumed.
UPDATE secrets SET sealed = decode(repeat('00', length(sealed)), 'hex') WHERE id = ANY ($1::bigint[])

-- rotations_of --
-- The old secret of a rotation under way.
SELECT secret_id FROM rotations WHERE integration_id = $1

-- insert_rotation --
-- Begin a rotation.
INSERT INTO rotations (integration_id, secret_id, expires_at, chosen) VALUES ($1, $2, $3, $4)

-- delete_rotations --
-- End rotations, by their old secrets.
DELETE FROM rotations WHERE secret_id = ANY ($1::bigint[])

-- choose_secret --
-- Let the new or the old secret sign.
UPDATE rotations SET chosen = $2 WHERE integration_id = $1 AND expires_at > $3

-- expired_rotations --
-- The old secrets whose time is over.
SELECT secret_id FROM rotations WHERE expires_at <= $1

-- next_expiry --
-- When the next secret's time is over.
SELECT min(expires_at) FROM rotations

-- insert_api_key --
-- Keep a key's digest.
INSERT INTO api_keys (name, digest, scopes, created_at) VALUES ($1, $2, $3, $4)
RETURNING id

-- api_keys --
-- All keys.
SELECT id, name, digest, scopes, created_at, revoked_at FROM api_keys ORDER BY id

-- revoke_api_key --
-- Revoke a key.
UPDATE api_keys SET revoked_at = $2 WHERE id = $1

-- fact --
-- A small fact about this database.
SELECT value FROM facts WHERE name = $1

-- keep_fact --
-- Remember a small fact, unless there is one by that name.
INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING

-- claim --
-- Take something to do for oneself until an instant, where nobody else has it at this one. What is kept is the
-- instant and who.
INSERT INTO facts AS f (name, value) VALUES ('claim ' || $1::text, $4::bigint || ' ' || $2::text)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
WHERE split_part(f.value, ' ', 1)::bigint <= $3::bigint OR split_part(f.value, ' ', 2) = $2::text
RETURNING name

-- clock --
-- The time here, for nodes whose own clocks differ.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint

-- set_fact --
-- Remember a small fact.
INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- probe --
-- Write so many bytes that differ from those of last time; the same ones would not be written.
UPDATE facts SET value = (
    SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1 + $1 / 16)
) WHERE name = (SELECT name FROM facts WHERE name = 'probe' FOR UPDATE SKIP LOCKED)
