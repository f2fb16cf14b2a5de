-- Reading the log, and deleting what is old in it. See verbs/log.py and verbs/purge.py.

-- event_columns --
-- An event with its plan, as every read of one selects it.
SELECT
    e.id, e.external_id, o.slug, e.resource, e.action, e.tail, e.targets, e.accepted_at, p.considered,
    e.forwarded
FROM events AS e
JOIN organizations AS o ON o.id = e.organization_id
JOIN plans AS p ON p.id = e.plan_id

-- event --
-- The event by the id that we gave.
{event_columns} WHERE e.id = ?1

-- events_called --
-- Events by the publisher's own id, which is an organization's own.
{event_columns} WHERE e.external_id = ?1

-- delivery_columns --
-- A delivery with the names of what it belongs to, as every read of one selects it.
SELECT
    d.id, d.state, d.park_reason, e.id, e.external_id, e.resource, e.action, o.slug, n.slug, i.uuid,
    n.webhook_url, max(d.due_at, coalesce(l.held_until, 0)), d.attempts_made, d.schedule_position,
    e.accepted_at, d.settled_at
FROM deliveries AS d
JOIN events AS e ON e.id = d.event_id
JOIN organizations AS o ON o.id = d.organization_id
JOIN integrations AS n ON n.id = d.integration_id
JOIN installations AS i ON i.id = d.installation_id
LEFT JOIN lanes AS l
ON l.organization_id = d.organization_id AND l.integration_id = d.integration_id

-- delivery --
-- One delivery.
{delivery_columns} WHERE d.id = ?1

-- deliveries --
-- A page of deliveries, newest first: those before an id, and what else was asked for (NULL: anything).
{delivery_columns}
WHERE d.id < ?1
AND (?2 IS NULL OR d.organization_id = (SELECT id FROM organizations WHERE slug = ?2))
AND (?3 IS NULL OR d.state = ?3) AND (?4 IS NULL OR d.park_reason = ?4)
ORDER BY d.id DESC LIMIT ?5

-- deliveries_of_integration --
-- The same of the integrations by a slug, of which all but one are deleted.
{delivery_columns}
WHERE d.integration_id IN (SELECT id FROM integrations WHERE slug = ?6) AND d.id < ?1
AND (?2 IS NULL OR d.organization_id = (SELECT id FROM organizations WHERE slug = ?2))
AND (?3 IS NULL OR d.state = ?3) AND (?4 IS NULL OR d.park_reason = ?4)
ORDER BY d.id DESC LIMIT ?5

-- deliveries_of_event --
-- The same of an event, and where asked for of the integrations by a slug.
{delivery_columns}
WHERE d.event_id = ?7 AND d.id < ?1
AND (?2 IS NULL OR d.organization_id = (SELECT id FROM organizations WHERE slug = ?2))
AND (?3 IS NULL OR d.state = ?3) AND (?4 IS NULL OR d.park_reason = ?4)
AND (?6 IS NULL OR d.integration_id IN (SELECT id FROM integrations WHERE slug = ?6))
ORDER BY d.id DESC LIMIT ?5

-- ahead_of --
-- The first of an ordered lane: what is under way, else what is due first.
SELECT h.id FROM deliveries AS d
JOIN lanes AS l ON l.organization_id = d.organization_id AND l.integration_id = d.integration_id
JOIN deliveries AS h ON h.id = coalesce(
    (
        SELECT id FROM deliveries INDEXED BY deliveries_leased
        WHERE state = 'leased' AND organization_id = d.organization_id
        AND integration_id = d.integration_id LIMIT 1
    ),
    (
        SELECT id FROM deliveries
        WHERE state = 'waiting' AND organization_id = d.organization_id
        AND integration_id = d.integration_id ORDER BY due_at, id LIMIT 1
    )
)
WHERE d.id = ?1 AND d.state = 'waiting' AND l.ordered

-- attempts --
-- A delivery's attempts, oldest first.
SELECT
    number, started_at, url, outcome, detail, status, signature, dns_us, connect_us, tls_us, first_byte_us,
    total_us, address, http_version, response_head, response_body, response_cut
FROM attempts WHERE delivery_id = ?1 ORDER BY number

-- attempt_body --
-- The parts of the body that every attempt of a delivery sends.
SELECT
    e.action, i.uuid,
    CASE WHEN d.in_ascii AND e.tail_ascii IS NOT NULL THEN e.tail_ascii ELSE e.tail END,
    e.forwarded
FROM deliveries AS d
JOIN events AS e ON e.id = d.event_id
JOIN installations AS i ON i.id = d.installation_id
WHERE d.id = ?1

-- newest_event --
-- The event that was accepted last.
SELECT max(id) FROM events

-- latest_settled --
-- What is remembered of it.
SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'latest-settled'

-- backlog --
-- What waits: how much, the first recorded, the first due; all of it from the index of what waits.
SELECT count(*), min(id), min(due_at) FROM deliveries WHERE state = 'waiting'

-- old_attempts --
-- The next attempts of old deliveries, and whether each may go. (CROSS keeps the order of the joins.)
SELECT a.delivery_id, a.number, d.state IN ('delivered', 'parked') AND a.started_at < ?3
FROM attempts AS a CROSS JOIN deliveries AS d ON d.id = a.delivery_id
WHERE (a.delivery_id, a.number) > (?1, ?2) AND a.delivery_id < ?4
ORDER BY a.delivery_id, a.number LIMIT ?5

-- delete_attempts --
-- Delete these attempts. (With the bare VALUES the planner would go through the whole log.)
DELETE FROM attempts
WHERE (delivery_id, number) IN (SELECT s.column1, s.column2 FROM (VALUES {rows}) AS s)

-- old_deliveries --
-- The next old deliveries, whether each may go, and how many attempts it had.
SELECT id, state IN ('delivered', 'parked') AND settled_at < ?4, attempts_made FROM deliveries
WHERE id > ?1 AND id < ?3 ORDER BY id LIMIT ?2

-- some_attempts --
-- The first of a delivery's attempts.
SELECT delivery_id, number FROM attempts WHERE delivery_id = ?1 ORDER BY number LIMIT ?2

-- delete_attempts_of --
-- Delete all attempts of these deliveries.
DELETE FROM attempts WHERE delivery_id IN (VALUES {rows})

-- delete_deliveries --
-- Delete these deliveries.
DELETE FROM deliveries WHERE id IN (VALUES {rows})

-- old_events --
-- The next old events, and whether a delivery is left of each.
SELECT e.id, e.plan_id, EXISTS (SELECT 1 FROM deliveries AS d WHERE d.event_id = e.id)
FROM events AS e WHERE e.id > ?1 AND e.id < ?3 ORDER BY e.id LIMIT ?2

-- delete_events --
-- Delete these events.
DELETE FROM events WHERE id IN (VALUES {rows})

-- use_plans --
-- These plans are needed by events that outlived their age.
UPDATE plans SET last_used_at = max(last_used_at, ?1) WHERE id IN (VALUES {rows})

-- old_plans --
-- The next plans, and whether each may go.
SELECT id, last_used_at < ?3 FROM plans WHERE id > ?1 ORDER BY id LIMIT ?2

-- delete_plans --
-- Delete these plans.
DELETE FROM plans WHERE id IN (VALUES {rows})
