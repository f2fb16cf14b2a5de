-- Named queries: "-- name --", one line of purpose, the SQL.
-- "{rows}" stands for as many rows of placeholders as there are values, so that a batch is one step of
-- the engine: a step a row would give up and fetch back the interpreter's lock each time.

-- insert_events --
-- One row an event.
INSERT INTO events (
    id, organization_id, external_id, resource, action, tail, tail_ascii, targets, warnings, plan_id,
    delivery_count, accepted_at
) VALUES {rows}

-- insert_deliveries --
-- One row an installation that an event goes to.
INSERT INTO deliveries (
    id, event_id, organization_id, installation_id, integration_id, in_ascii, state, park_reason, due_at,
    settled_at
) VALUES {rows}

-- insert_plan --
-- A decision is stored once, however many events it made. Its last use is noted to the day, so that
-- the thousands of events that share it do not write its row again and again.
INSERT INTO plans (id, considered, last_used_at) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET last_used_at = excluded.last_used_at
WHERE excluded.last_used_at >= last_used_at + 86400000000

-- duplicate --
-- The event that a publisher's id already names.
SELECT id, delivery_count, warnings FROM events WHERE external_id = ? AND organization_id = ?

-- due --
-- A lane's first deliveries, with what their requests are made of.
SELECT
    d.id, i.uuid, e.resource, e.action,
    CASE WHEN d.in_ascii AND e.tail_ascii IS NOT NULL THEN e.tail_ascii ELSE e.tail END,
    d.attempts_made, d.schedule_position, coalesce(e.external_id, lower(hex(e.id))), o.slug
FROM deliveries AS d
JOIN events AS e ON e.id = d.event_id
JOIN installations AS i ON i.id = d.installation_id
JOIN organizations AS o ON o.id = d.organization_id
WHERE d.state = 'waiting' AND d.organization_id = ? AND d.integration_id = ? AND d.due_at <= ?
ORDER BY d.due_at, d.id LIMIT ?

-- mark_leased --
-- Hand a batch out under one token.
UPDATE deliveries SET state = 'leased', lease = ?, leased_until = ?
WHERE id IN (VALUES {rows})

-- settle_deliveries --
-- What became of leased deliveries; a row whose lease is no longer ours stays as it is.
-- Columns: id, lease, state, park_reason, due_at (null: as it was), attempts_made, settled_at. (SQLite
-- names the columns of VALUES itself, and a common table expression in front would hide the row count
-- from Python.)
UPDATE deliveries SET
    state = s.column3, park_reason = s.column4, due_at = coalesce(s.column5, due_at), lease = NULL, leased_until = NULL,
    schedule_position = schedule_position + 1, attempts_made = s.column6, settled_at = s.column7
FROM (VALUES {rows}) AS s
WHERE deliveries.id = s.column1 AND deliveries.state = 'leased' AND deliveries.lease = s.column2

-- insert_attempts --
-- The log: one row an attempt.
INSERT INTO attempts (
    delivery_id, number, started_at, url, outcome, detail, status, signature, dns_us, connect_us, tls_us,
    first_byte_us, total_us, address, http_version, response_head, response_body, response_cut
) VALUES {rows}

-- remember_settled --
-- How far the clock was, for a restart after the machine's was set back: at most once a second, since it
-- costs a page of the log to disk.
INSERT INTO facts VALUES ('latest-settled', ?1) ON CONFLICT (name) DO UPDATE SET value = excluded.value
WHERE CAST(value AS INTEGER) <= CAST(excluded.value AS INTEGER) - 1000000

-- latest_settled --
-- What is remembered of it.
SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'latest-settled'

-- probe --
-- Write so many bytes that differ from those of last time; the same ones would not be written.
INSERT INTO facts VALUES ('probe', hex(randomblob(?1)))
ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- expired --
-- Deliveries whose lease ran out.
SELECT id, organization_id, integration_id FROM deliveries WHERE state = 'leased' AND leased_until <= :now

-- release --
-- They wait again, due as they were.
UPDATE deliveries SET state = 'waiting', lease = NULL, leased_until = NULL
WHERE id IN (VALUES {rows})

-- replay --
-- Final deliveries wait again with their schedule begun anew; in an ordered lane at their old place.
-- Columns: id.
UPDATE deliveries SET
    state = 'waiting', park_reason = NULL, schedule_position = 0, settled_at = NULL,
    due_at = CASE WHEN (
        SELECT ordered FROM lanes AS l WHERE l.organization_id = deliveries.organization_id
        AND l.integration_id = deliveries.integration_id
    ) THEN (SELECT accepted_at FROM events WHERE id = deliveries.event_id) ELSE ?1 END
WHERE id IN (VALUES {rows}) AND state IN ('delivered', 'parked')
RETURNING organization_id, integration_id

-- integration_columns --
-- An integration, as every read of one selects it.
SELECT
    n.id, n.uuid, n.slug, n.name, n.kind, o.slug, n.webhook_url, n.client_id, n.resources, n.alertable,
    n.unsubscribed_at, n.unsubscribe_reason, n.unsubscribe_detail, n.created_at, n.updated_at,
    n.timeout_ms, n.max_in_flight, n.retry_schedule, n.body_encoding, n.rate_number, n.rate_per, n.ordered
FROM integrations AS n LEFT JOIN organizations AS o ON o.id = n.organization_id

-- insert_integration --
-- Register an integration.
INSERT INTO integrations (
    uuid, slug, name, kind, organization_id, webhook_url, client_id, resources, alertable, timeout_ms,
    max_in_flight, retry_schedule, body_encoding, rate_number, rate_per, ordered, created_at, updated_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- update_integration --
-- Replace what may change of an integration.
UPDATE integrations SET
    name = ?, webhook_url = ?, resources = ?, alertable = ?, timeout_ms = ?, max_in_flight = ?,
    retry_schedule = ?, body_encoding = ?, rate_number = ?, rate_per = ?, ordered = ?, updated_at = ?
WHERE id = ?

-- update_gate --
-- What a change of an integration changes of its gate.
UPDATE gates SET max_in_flight = ?, rate_number = ?, rate_per = ? WHERE integration_id = ?

-- installation_columns --
-- An installation, as every read of one selects it.
SELECT
    i.id, i.uuid, i.integration_id, n.slug, i.organization_id, o.slug, i.created_at, i.deleted_at
FROM installations AS i
JOIN integrations AS n ON n.id = i.integration_id
JOIN organizations AS o ON o.id = i.organization_id

-- candidates --
-- The installations of an organization, with what decides whether they want an event.
SELECT
    i.id, i.uuid, n.id, n.slug, n.kind, n.resources, n.alertable, n.body_encoding
FROM organizations AS o
JOIN installations AS i ON i.organization_id = o.id AND i.deleted_at IS NULL
JOIN integrations AS n ON n.id = i.integration_id
WHERE o.slug = ? ORDER BY i.id

-- routes --
-- What a dispatcher must know of integrations, but their secrets.
SELECT
    n.id, n.uuid, n.slug, n.webhook_url,
    n.timeout_ms, n.max_in_flight, n.retry_schedule, n.body_encoding, n.rate_number, n.rate_per, n.ordered
FROM integrations AS n
WHERE n.id IN (VALUES {rows})

-- secrets --
-- The client secrets of integrations: the newest of each, and the one before during a rotation; those
-- before are erased.
SELECT s.integration_id, s.id, s.created_at, r.expires_at, coalesce(r.chosen, 0), s.sealed
FROM secrets AS s LEFT JOIN rotations AS r ON r.secret_id = s.id
WHERE s.integration_id IN (VALUES {rows}) AND (
    r.secret_id IS NOT NULL
    OR s.id = (SELECT max(id) FROM secrets WHERE integration_id = s.integration_id)
)

-- event_columns --
-- An event with its plan, as every read of one selects it.
SELECT
    e.id, e.external_id, o.slug, e.resource, e.action, e.tail, e.targets, e.accepted_at, p.considered
FROM events AS e
JOIN organizations AS o ON o.id = e.organization_id
JOIN plans AS p ON p.id = e.plan_id

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

-- attempts --
-- A delivery's attempts, oldest first.
SELECT
    number, started_at, url, outcome, detail, status, signature, dns_us, connect_us, tls_us, first_byte_us,
    total_us, address, http_version, response_head, response_body, response_cut
FROM attempts WHERE delivery_id = ? ORDER BY number

-- attempt_body --
-- The parts of the body that every attempt of a delivery sends.
SELECT
    e.action, i.uuid,
    CASE WHEN d.in_ascii AND e.tail_ascii IS NOT NULL THEN e.tail_ascii ELSE e.tail END
FROM deliveries AS d
JOIN events AS e ON e.id = d.event_id
JOIN installations AS i ON i.id = d.installation_id
WHERE d.id = ?

-- backlog --
-- What waits: how much, the first recorded, the first due; all of it from the index of what waits.
SELECT count(*), min(id), min(due_at) FROM deliveries WHERE state = 'waiting'

-- old_attempts --
-- The next attempts of old deliveries, and whether each may go. (CROSS keeps the order of the joins.)
SELECT a.delivery_id, a.number, d.state IN ('delivered', 'parked') AND a.started_at < :before
FROM attempts AS a CROSS JOIN deliveries AS d ON d.id = a.delivery_id
WHERE (a.delivery_id, a.number) > (:delivery_id, :number) AND a.delivery_id < :floor
ORDER BY a.delivery_id, a.number LIMIT :limit

-- delete_attempts --
-- Delete these attempts. (With the bare VALUES the planner would go through the whole log.)
DELETE FROM attempts
WHERE (delivery_id, number) IN (SELECT s.column1, s.column2 FROM (VALUES {rows}) AS s)

-- old_deliveries --
-- The next old deliveries, whether each may go, and how many attempts it had.
SELECT id, state IN ('delivered', 'parked') AND settled_at < :before, attempts_made FROM deliveries
WHERE id > :after AND id < :floor ORDER BY id LIMIT :limit

-- some_attempts --
-- The first of a delivery's attempts.
SELECT delivery_id, number FROM attempts WHERE delivery_id = :after ORDER BY number LIMIT :limit

-- delete_attempts_of --
-- Delete all attempts of these deliveries.
DELETE FROM attempts WHERE delivery_id IN (VALUES {rows})

-- delete_deliveries --
-- Delete these deliveries.
DELETE FROM deliveries WHERE id IN (VALUES {rows})

-- old_events --
-- The next old events, and whether a delivery is left of each.
SELECT e.id, e.plan_id, EXISTS (SELECT 1 FROM deliveries AS d WHERE d.event_id = e.id)
FROM events AS e WHERE e.id > :after AND e.id < :floor ORDER BY e.id LIMIT :limit

-- delete_events --
-- Delete these events.
DELETE FROM events WHERE id IN (VALUES {rows})

-- use_plans --
-- These plans are needed by events that outlived their age.
UPDATE plans SET last_used_at = max(last_used_at, ?1) WHERE id IN (VALUES {rows})

-- old_plans --
-- The next plans, and whether each may go.
SELECT id, last_used_at < :before FROM plans WHERE id > :after ORDER BY id LIMIT :limit

-- delete_plans --
-- Delete these plans.
DELETE FROM plans WHERE id IN (VALUES {rows})
