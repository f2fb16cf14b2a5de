-- Client secrets, keys of the API, and small facts about the database. See verbs/credentials.py.
--
-- An erased secret is not to be found in the file any more, and SQLite does not promise that by itself: a
-- DELETE only forgets where a row was, and a row that moves to another page leaves a copy behind (of 2,000
-- rows that were changed and then deleted in a trial, 57 were still there). So rows of "secrets" are only
-- added, at the end, and erased by zeros of the same length in their place; what may change stands in
-- "rotations". Every connection runs with secure_delete = FAST, which overwrites what the first page
-- leaves when it is split. What the write-ahead log still holds is database.fold's to remove, after the
-- commit.

-- secrets --
-- The client secrets of integrations: the newest of each, and the one before during a rotation; those
-- before are erased.
SELECT s.integration_id, s.id, s.created_at, r.expires_at, coalesce(r.chosen, 0), s.sealed
FROM secrets AS s LEFT JOIN rotations AS r ON r.secret_id = s.id
WHERE s.integration_id IN (VALUES {rows}) AND (
    r.secret_id IS NOT NULL
    OR s.id = (SELECT max(id) FROM secrets WHERE integration_id = s.integration_id)
)

-- newest_secret --
-- An integration's newest secret.
SELECT max(id) FROM secrets WHERE integration_id = ?1

-- insert_secret --
-- Add a secret.
INSERT INTO secrets (integration_id, sealed, created_at) VALUES (?1, ?2, ?3)

-- erase_secrets --
-- Erase secrets, in their place.
UPDATE secrets SET sealed = zeroblob(length(sealed)) WHERE id IN (VALUES {rows})

-- rotations_of --
-- The old secret of a rotation under way.
SELECT secret_id FROM rotations WHERE integration_id = ?1

-- insert_rotation --
-- Begin a rotation.
INSERT INTO rotations (integration_id, secret_id, expires_at, chosen) VALUES (?1, ?2, ?3, ?4)

-- delete_rotations --
-- End rotations, by their old secrets.
DELETE FROM rotations WHERE secret_id IN (VALUES {rows})

-- choose_secret --
-- Let the new or the old secret sign.
UPDATE rotations SET chosen = ?2 WHERE integration_id = ?1 AND expires_at > ?3

-- expired_rotations --
-- The old secrets whose time is over.
SELECT secret_id FROM rotations WHERE expires_at <= ?1

-- next_expiry --
-- When the next secret's time is over.
SELECT min(expires_at) FROM rotations

-- insert_api_key --
-- Keep a key's digest.
INSERT INTO api_keys (name, digest, scopes, created_at) VALUES (?1, ?2, ?3, ?4)
RETURNING id

-- api_keys --
-- All keys.
SELECT id, name, digest, scopes, created_at, revoked_at FROM api_keys ORDER BY id

-- revoke_api_key --
-- Revoke a key.
UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1

-- fact --
-- A small fact about this database.
SELECT value FROM facts WHERE name = ?1

-- keep_fact --
-- Remember a small fact, unless there is one by that name.
INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING

-- claim --
-- Take something to do for oneself until an instant, where nobody else has it at this one. What is kept is the
-- instant and who.
INSERT INTO facts VALUES ('claim ' || ?1, ?4 || ' ' || ?2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
WHERE CAST(value AS INTEGER) <= ?3 OR substr(value, instr(value, ' ') + 1) = ?2
RETURNING name

-- clock --
-- Nothing: the machine's clock is the only one.
SELECT NULL

-- set_fact --
-- Remember a small fact.
INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- probe --
-- Write so many bytes that differ from those of last time; the same ones would not be written.
INSERT INTO facts VALUES ('probe', hex(randomblob(?1)))
ON CONFLICT (name) DO UPDATE SET value = excluded.value
