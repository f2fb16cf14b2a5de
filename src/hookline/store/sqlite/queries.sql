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
    id, event_id, organization_id, installation_id, integration_id, in_ascii, state, due_at
) VALUES {rows}

-- insert_plan --
-- A decision is stored once, however many events it made.
INSERT OR IGNORE INTO plans (id, considered) VALUES (?, ?)

-- duplicate --
-- The event that a publisher's id already names.
SELECT id, delivery_count, warnings FROM events WHERE external_id = ? AND organization_id = ?

-- make_ready --
-- Lanes have something new to lease; one at its cap becomes ready when a slot is freed.
UPDATE lanes SET ready_at = min(coalesce(ready_at, ?1), ?1)
WHERE in_flight < max_in_flight AND integration_id IN (VALUES {rows})

-- without_lane --
-- Those of the integrations that have no lane any more: they were deleted.
SELECT s.column1 FROM (VALUES {rows}) AS s
WHERE NOT EXISTS (SELECT 1 FROM lanes WHERE integration_id = s.column1)

-- ready_lanes --
-- Runnable lanes, longest ready first; a lane that was served goes to the end of the line.
SELECT integration_id, max_in_flight - in_flight FROM lanes
WHERE ready_at <= :now ORDER BY ready_at, integration_id LIMIT :limit

-- next_ready --
-- When the next lane becomes runnable.
SELECT min(ready_at) FROM lanes WHERE ready_at IS NOT NULL

-- due --
-- A lane's first deliveries, with what their requests are made of.
SELECT
    d.id, i.uuid, e.resource, e.action,
    CASE WHEN d.in_ascii AND e.tail_ascii IS NOT NULL THEN e.tail_ascii ELSE e.tail END,
    d.attempts_made, d.schedule_position
FROM deliveries AS d
JOIN events AS e ON e.id = d.event_id
JOIN installations AS i ON i.id = d.installation_id
WHERE d.state = 'waiting' AND d.integration_id = :integration_id AND d.due_at <= :now
ORDER BY d.due_at LIMIT :limit

-- mark_leased --
-- Hand a batch out under one token.
UPDATE deliveries SET state = 'leased', lease = ?, leased_until = ?
WHERE id IN (VALUES {rows})

-- serve_lanes --
-- Slots were taken (positive) or freed (negative): count them, and say when each lane is ready again.
-- Columns: integration_id, taken.
UPDATE lanes SET
    in_flight = in_flight + s.column2,
    ready_at = CASE WHEN in_flight + s.column2 >= max_in_flight THEN NULL ELSE max(?1, (
        SELECT min(due_at) FROM deliveries
        WHERE state = 'waiting' AND integration_id = s.column1
    )) END
FROM (VALUES {rows}) AS s
WHERE lanes.integration_id = s.column1

-- settle_deliveries --
-- What became of leased deliveries; a row whose lease is no longer ours stays as it is.
-- Columns: id, lease, state, park_reason, due_at, attempts_made, settled_at. (SQLite names the columns
-- of VALUES itself, and a common table expression in front would hide the row count from Python.)
UPDATE deliveries SET
    state = s.column3, park_reason = s.column4, due_at = s.column5, lease = NULL, leased_until = NULL,
    schedule_position = schedule_position + 1, attempts_made = s.column6, settled_at = s.column7
FROM (VALUES {rows}) AS s
WHERE deliveries.id = s.column1 AND deliveries.state = 'leased' AND deliveries.lease = s.column2

-- insert_attempts --
-- The log: one row an attempt.
INSERT INTO attempts (
    delivery_id, number, started_at, url, outcome, detail, status, signature, dns_us, connect_us, tls_us,
    first_byte_us, total_us, address, http_version, response_head, response_body, response_cut
) VALUES {rows}

-- expired --
-- Deliveries whose lease ran out, counted by lane. (Without the "+" the planner goes through the whole
-- log by integration, to be spared the grouping of a handful of rows.)
SELECT integration_id, count(*) FROM deliveries
WHERE state = 'leased' AND leased_until <= :now GROUP BY +integration_id

-- release_expired --
-- They wait again, due at once.
UPDATE deliveries SET state = 'waiting', lease = NULL, leased_until = NULL, due_at = :now
WHERE state = 'leased' AND leased_until <= :now

-- replay --
-- A final delivery waits again with its schedule begun anew.
UPDATE deliveries SET
    state = 'waiting', park_reason = NULL, due_at = :now, schedule_position = 0, settled_at = NULL
WHERE id = :id AND state IN ('delivered', 'parked')

-- park_waiting --
-- What waits for a deleted integration stays visible, and is not sent.
UPDATE deliveries SET state = 'parked', park_reason = :reason, settled_at = :now
WHERE state = 'waiting' AND integration_id = :integration_id

-- integration_columns --
-- An integration, as every read of one selects it.
SELECT
    n.id, n.uuid, n.slug, n.name, n.kind, o.slug, n.webhook_url, n.client_id, n.resources, n.alertable,
    n.status, n.timeout_ms, n.max_in_flight, n.retry_schedule, n.body_encoding, n.created_at, n.updated_at
FROM integrations AS n LEFT JOIN organizations AS o ON o.id = n.organization_id

-- insert_integration --
-- Register an integration.
INSERT INTO integrations (
    uuid, slug, name, kind, organization_id, webhook_url, client_id, resources, alertable, status,
    timeout_ms, max_in_flight, retry_schedule, body_encoding, created_at, updated_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'subscribed', ?, ?, ?, ?, ?, ?)

-- update_integration --
-- Replace what may change of an integration.
UPDATE integrations SET
    name = ?, webhook_url = ?, resources = ?, alertable = ?, timeout_ms = ?, max_in_flight = ?,
    retry_schedule = ?, body_encoding = ?, updated_at = ?
WHERE id = ?

-- resize_lane --
-- A new cap: the lane is ready at once if it has room now, and the next lease sees what is due.
UPDATE lanes SET
    max_in_flight = :max_in_flight,
    ready_at = CASE WHEN in_flight >= :max_in_flight THEN NULL ELSE :now END
WHERE integration_id = :integration_id

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
    i.id, i.uuid, n.id, n.slug, n.kind, n.resources, n.alertable, n.status, n.body_encoding
FROM organizations AS o
JOIN installations AS i ON i.organization_id = o.id AND i.deleted_at IS NULL
JOIN integrations AS n ON n.id = i.integration_id
WHERE o.slug = ? ORDER BY i.id

-- routes --
-- What a dispatcher must know of integrations, but their secrets.
SELECT
    n.id, n.uuid, n.webhook_url, n.timeout_ms, n.max_in_flight, n.retry_schedule, n.body_encoding
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
    n.webhook_url, d.due_at, d.attempts_made, d.schedule_position, e.accepted_at, d.settled_at
FROM deliveries AS d
JOIN events AS e ON e.id = d.event_id
JOIN organizations AS o ON o.id = d.organization_id
JOIN integrations AS n ON n.id = d.integration_id
JOIN installations AS i ON i.id = d.installation_id

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
