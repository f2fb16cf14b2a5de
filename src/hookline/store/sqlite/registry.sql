-- Organizations, integrations, installations and resources. See verbs/registry.py.

-- organization --
-- An organization's id.
SELECT id FROM organizations WHERE slug = ?1

-- insert_organization --
-- Make an organization, unless there is one by that slug.
INSERT INTO organizations (slug, created_at) VALUES (?1, ?2) ON CONFLICT (slug) DO NOTHING

-- integration_columns --
-- An integration, as every read of one selects it.
SELECT
    n.id, n.uuid, n.slug, n.name, n.kind, o.slug, n.webhook_url, n.client_id, n.resources, n.alertable,
    n.unsubscribed_at, n.unsubscribe_reason, n.unsubscribe_detail, n.created_at, n.updated_at,
    n.timeout_ms, n.max_in_flight, n.retry_schedule, n.body_encoding, n.rate_number, n.rate_per, n.ordered,
    s.slug, n.filter
FROM integrations AS n
LEFT JOIN organizations AS o ON o.id = n.organization_id
LEFT JOIN sources AS s ON s.id = n.source_id

-- integration --
-- The integration by a slug.
{integration_columns} WHERE n.slug = ?1 AND n.deleted_at IS NULL

-- integrations --
-- Integrations by slug, those after one.
{integration_columns} WHERE n.slug > ?1 AND n.deleted_at IS NULL ORDER BY n.slug LIMIT ?2

-- integration_there --
-- Whether an integration is there and not deleted.
SELECT 1 FROM integrations WHERE id = ?1 AND deleted_at IS NULL

-- insert_integration --
-- Register an integration, unless its slug is taken.
INSERT INTO integrations (
    uuid, slug, name, kind, organization_id, webhook_url, client_id, resources, alertable, timeout_ms,
    max_in_flight, retry_schedule, body_encoding, rate_number, rate_per, ordered, created_at, updated_at,
    source_id, filter
) VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20
)
ON CONFLICT (slug) WHERE deleted_at IS NULL DO NOTHING
RETURNING id

-- insert_gate --
-- Its gate.
INSERT INTO gates (integration_id, max_in_flight, rate_number, rate_per) VALUES (?1, ?2, ?3, ?4)

-- update_integration --
-- Replace what may change of an integration.
UPDATE integrations SET
    name = ?2, webhook_url = ?3, resources = ?4, alertable = ?5, timeout_ms = ?6, max_in_flight = ?7,
    retry_schedule = ?8, body_encoding = ?9, rate_number = ?10, rate_per = ?11, ordered = ?12,
    updated_at = ?13, filter = ?14
WHERE id = ?1

-- update_gate --
-- What a change of an integration changes of its gate.
UPDATE gates SET max_in_flight = ?2, rate_number = ?3, rate_per = ?4 WHERE integration_id = ?1

-- delete_integration --
-- It receives nothing any more, and keeps its row for the log.
UPDATE integrations SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL

-- delete_installations_of --
-- All installations of an integration likewise.
UPDATE installations SET deleted_at = ?2 WHERE integration_id = ?1 AND deleted_at IS NULL

-- installation_columns --
-- An installation, as every read of one selects it.
SELECT
    i.id, i.uuid, i.integration_id, n.slug, i.organization_id, o.slug, i.created_at, i.deleted_at
FROM installations AS i
JOIN integrations AS n ON n.id = i.integration_id
JOIN organizations AS o ON o.id = i.organization_id

-- installation --
-- The installation by a uuid, deleted or not.
{installation_columns} WHERE i.uuid = ?1

-- installations --
-- Installations in force, of an organization or of an integration.
{installation_columns}
WHERE i.deleted_at IS NULL AND (?1 IS NULL OR o.slug = ?1) AND (?2 IS NULL OR i.integration_id = ?2)
ORDER BY i.id

-- installed --
-- The installation in force of an integration in an organization.
SELECT uuid FROM installations
WHERE organization_id = ?1 AND integration_id = ?2 AND deleted_at IS NULL

-- insert_installation --
-- Install.
INSERT INTO installations (uuid, integration_id, organization_id, code_digest, created_at)
VALUES (?1, ?2, ?3, ?4, ?5)
RETURNING id

-- delete_installation --
-- Uninstall; the row stays for the log.
UPDATE installations SET deleted_at = ?2 WHERE uuid = ?1 AND deleted_at IS NULL

-- candidates --
-- The installations of an organization, with what decides whether they want an event.
SELECT
    i.id, i.uuid, n.id, n.slug, n.kind, n.resources, n.alertable, n.body_encoding, n.source_id, n.filter
FROM organizations AS o
JOIN installations AS i ON i.organization_id = o.id AND i.deleted_at IS NULL
JOIN integrations AS n ON n.id = i.integration_id
WHERE o.slug = ?1 ORDER BY i.id

-- routes --
-- What a dispatcher must know of integrations, but their secrets.
SELECT
    n.id, n.uuid, n.slug, n.webhook_url,
    n.timeout_ms, n.max_in_flight, n.retry_schedule, n.body_encoding, n.rate_number, n.rate_per, n.ordered
FROM integrations AS n
WHERE n.id IN (VALUES {rows})

-- insert_resource --
-- Register a publisher's resource, unless it is.
INSERT INTO resources (name, actions, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING

-- resources --
-- The registered resources.
SELECT name, actions FROM resources ORDER BY name
