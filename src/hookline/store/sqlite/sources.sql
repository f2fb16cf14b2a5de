-- Sources, what their senders sign with, and what was refused. See verbs/sources.py.

-- source_columns --
-- A source, as every read of one selects it.
SELECT
    s.id, s.uuid, s.slug, s.name, s.organization_id, o.slug, s.scheme, s.deduplicate, s.max_body_bytes,
    s.keep_refused, s.created_at, s.updated_at, s.token_digest
FROM sources AS s JOIN organizations AS o ON o.id = s.organization_id

-- sources --
-- All sources.
{source_columns} WHERE s.deleted_at IS NULL ORDER BY s.slug

-- source --
-- The source by a slug.
{source_columns} WHERE s.slug = ?1 AND s.deleted_at IS NULL

-- source_there --
-- Whether a source is there and not deleted.
SELECT 1 FROM sources WHERE id = ?1 AND deleted_at IS NULL

-- insert_source --
-- Make a source, unless its slug is taken.
INSERT INTO sources (
    uuid, slug, name, organization_id, scheme, token_digest, deduplicate, max_body_bytes, keep_refused,
    created_at, updated_at
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)
ON CONFLICT (slug) WHERE deleted_at IS NULL DO NOTHING
RETURNING id

-- update_source --
-- Replace what may change of a source.
UPDATE sources SET
    name = ?2, deduplicate = ?3, max_body_bytes = ?4, keep_refused = ?5, updated_at = ?6
WHERE id = ?1

-- replace_token --
-- Give a source another token.
UPDATE sources SET token_digest = ?2, updated_at = ?3 WHERE id = ?1

-- delete_source --
-- It takes nothing any more.
UPDATE sources SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL

-- source_secrets --
-- The secrets of sources that are not erased: an erased one is zeros, and no sealed one begins with one.
SELECT k.source_id, k.id, k.created_at, k.sealed FROM source_secrets AS k
WHERE k.source_id IN (VALUES {rows}) AND hex(substr(k.sealed, 1, 1)) <> '00'
ORDER BY k.id

-- insert_source_secret --
-- Add a secret.
INSERT INTO source_secrets (source_id, sealed, created_at) VALUES (?1, ?2, ?3)
RETURNING id

-- erase_source_secrets --
-- Erase secrets, in their place.
UPDATE source_secrets SET sealed = zeroblob(length(sealed)) WHERE id IN (VALUES {rows})

-- insert_refused --
-- Keep requests that were refused.
INSERT INTO refused_requests (source_id, at, code, message, headers, body, body_bytes) VALUES {rows}

-- delete_old_refused --
-- Keep no more of a source's refused requests than the newest, so many.
DELETE FROM refused_requests WHERE source_id = ?1 AND id <= (
    SELECT id FROM refused_requests WHERE source_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2
)

-- delete_refused --
-- Forget all that was refused of a source.
DELETE FROM refused_requests WHERE source_id = ?1

-- refused --
-- What was refused of a source, newest first.
SELECT id, at, code, message, headers, body, body_bytes FROM refused_requests
WHERE source_id = ?1 ORDER BY id DESC LIMIT ?2
