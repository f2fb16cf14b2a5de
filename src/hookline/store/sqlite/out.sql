-- The way out: record, lease, settle, rescue, replay.
-- Statements by name, "-- name --", with their purpose; see store/statements.py. Values are ?1, ?2 and so
-- on; "{rows}" stands for as many rows of placeholders as there are values, so that a batch is one step of
-- the engine: a step a row would give up and fetch back the interpreter's lock each time. Where a row names a
-- delivery's organization, that is for databases which are distributed by it: here the id is enough.

-- insert_events --
-- One row an event.
INSERT INTO events (
    id, organization_id, external_id, resource, action, tail, tail_ascii, targets, warnings, plan_id,
    delivery_count, accepted_at, forwarded
) VALUES {rows}

-- insert_deliveries --
-- One row an installation that an event goes to.
INSERT INTO deliveries (
    id, event_id, organization_id, installation_id, integration_id, in_ascii, state, park_reason, due_at,
    settled_at
) VALUES {rows}

-- insert_plans --
-- A decision is stored once, however many events it made. Its last use is noted to the day, so that
-- the thousands of events that share it do not write its row again and again.
INSERT INTO plans (id, considered, last_used_at) VALUES {rows}
ON CONFLICT (id) DO UPDATE SET last_used_at = excluded.last_used_at
WHERE excluded.last_used_at >= last_used_at + 86400000000

-- duplicates --
-- The events that publishers' ids already name. Columns: external_id, organization_id.
SELECT e.external_id, e.organization_id, e.delivery_count, e.warnings
FROM (VALUES {rows}) AS s JOIN events AS e
ON e.external_id = s.column1 AND e.organization_id = s.column2

-- due --
-- The first due deliveries of some lanes, of each so many, with what their requests are made of; in any
-- order. Columns: organization_id, integration_id.
SELECT
    d.organization_id, d.integration_id, d.due_at, d.id, i.uuid, e.resource, e.action,
    CASE WHEN d.in_ascii AND e.tail_ascii IS NOT NULL THEN e.tail_ascii ELSE e.tail END,
    d.attempts_made, d.schedule_position, coalesce(e.external_id, lower(hex(e.id))), o.slug,
    e.forwarded
FROM (VALUES {rows}) AS s
JOIN organizations AS o ON o.id = s.column1
JOIN deliveries AS d ON d.id IN (
    SELECT w.id FROM deliveries AS w
    WHERE w.state = 'waiting' AND w.organization_id = s.column1 AND w.integration_id = s.column2
    AND w.due_at <= ?1
    ORDER BY w.due_at, w.id LIMIT ?2
)
JOIN events AS e ON e.id = d.event_id
JOIN installations AS i ON i.id = d.installation_id

-- mark_leased --
-- Hand a batch out under one token. Columns: id, organization_id.
UPDATE deliveries SET state = 'leased', lease = ?1, leased_until = ?2
WHERE id IN (SELECT column1 FROM (VALUES {rows}))

-- settle_deliveries --
-- What became of leased deliveries; a row whose lease is no longer ours stays as it is.
-- Columns: id, lease, state, park_reason, due_at (null: as it was), attempts_made, settled_at,
-- organization_id. (SQLite names the columns of VALUES itself, and a common table expression in front would
-- hide the row count from Python.)
UPDATE deliveries SET
    state = s.column3, park_reason = s.column4, due_at = coalesce(s.column5, due_at), lease = NULL, leased_until = NULL,
    schedule_position = schedule_position + 1, attempts_made = s.column6, settled_at = s.column7
FROM (VALUES {rows}) AS s
WHERE deliveries.id = s.column1 AND deliveries.state = 'leased' AND deliveries.lease = s.column2

-- savepoint --
-- Where to go back to if some lease was lost.
SAVEPOINT fenced

-- rollback_to --
-- Go back there.
ROLLBACK TO fenced

-- release --
-- No need to go back any more.
RELEASE fenced

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

-- expired --
-- Deliveries whose lease ran out.
SELECT id, organization_id, integration_id FROM deliveries WHERE state = 'leased' AND leased_until <= ?1

-- wait_again --
-- They wait again, due as they were. Columns: id, organization_id.
UPDATE deliveries SET state = 'waiting', lease = NULL, leased_until = NULL
WHERE id IN (SELECT column1 FROM (VALUES {rows}))

-- closed_for --
-- A delivery's organization, and why nothing passes the gate of its integration any more; NULL where
-- something does.
SELECT d.organization_id, g.closed FROM deliveries AS d JOIN gates AS g USING (integration_id) WHERE d.id = ?1

-- replay --
-- Final deliveries wait again with their schedule begun anew; in an ordered lane at their old place.
-- Columns: id, organization_id.
UPDATE deliveries SET
    state = 'waiting', park_reason = NULL, schedule_position = 0, settled_at = NULL,
    due_at = CASE WHEN (
        SELECT ordered FROM lanes AS l WHERE l.organization_id = deliveries.organization_id
        AND l.integration_id = deliveries.integration_id
    ) THEN (SELECT accepted_at FROM events WHERE id = deliveries.event_id) ELSE ?1 END
WHERE id IN (SELECT column1 FROM (VALUES {rows})) AND state IN ('delivered', 'parked')
RETURNING organization_id, integration_id
