-- The way out: record, lease, settle, rescue, replay.
-- Statements by name, "-- name --", with their purpose; see store/statements.py. Values are $1, $2 and so on;
-- a batch comes as one array a column after them, named column1, column2 and so on where it is taken apart.

-- insert_events --
-- One row an event.
INSERT INTO events (
    id, organization_id, external_id, resource, action, tail, tail_ascii, targets, warnings, plan_id,
    delivery_count, accepted_at, forwarded
) SELECT * FROM unnest(
    $1::bytea[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::text[],
    $9::text[], $10::bytea[], $11::integer[], $12::bigint[],
    $13::bytea[]
)

-- insert_deliveries --
-- One row an installation that an event goes to.
INSERT INTO deliveries (
    id, event_id, organization_id, installation_id, integration_id, in_ascii, state, park_reason, due_at,
    settled_at
) SELECT * FROM unnest(
    $1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[], $8::text[],
    $9::bigint[], $10::bigint[]
)

-- insert_plans --
-- A decision is stored once, however many events it made. Its last use is noted to the day, so that
-- the thousands of events that share it do not write its row again and again. (ON CONFLICT would lock the
-- row though it changed nothing, and publishers would wait for each other: so it is looked at first.)
INSERT INTO plans AS p (id, considered, last_used_at)
SELECT s.column1, s.column2, s.column3
FROM unnest($1::bytea[], $2::text[], $3::bigint[]) AS s (column1, column2, column3)
WHERE NOT EXISTS (
    SELECT 1 FROM plans AS k WHERE k.id = s.column1 AND s.column3 < k.last_used_at + 86400000000
)
ON CONFLICT (id) DO UPDATE SET last_used_at = greatest(p.last_used_at, excluded.last_used_at)

-- duplicates --
-- The events that publishers' ids already name. Columns: external_id, organization_id. (It is run in callers'
-- sessions, too, where the server plans as it likes: so each is looked up by itself.)
SELECT e.external_id, e.organization_id, e.delivery_count, e.warnings
FROM unnest($1::text[], $2::bigint[]) AS s (column1, column2)
CROSS JOIN LATERAL (
    SELECT * FROM events WHERE external_id = s.column1 AND organization_id = s.column2 LIMIT 1
) AS e

-- due --
-- The first due deliveries of some lanes, of each so many, with what their requests are made of; in any
-- order. Columns: organization_id, integration_id.
SELECT
    d.organization_id, d.integration_id, d.due_at, d.id, i.uuid, e.resource, e.action,
    CASE WHEN d.in_ascii AND e.tail_ascii IS NOT NULL THEN e.tail_ascii ELSE e.tail END,
    d.attempts_made, d.schedule_position, coalesce(e.external_id, encode(e.id, 'hex')), o.slug,
    e.forwarded
FROM unnest($3::bigint[], $4::bigint[]) AS s (column1, column2)
CROSS JOIN LATERAL (
    SELECT w.* FROM deliveries AS w
    WHERE w.state = 'waiting' AND w.organization_id = s.column1 AND w.integration_id = s.column2
    AND w.due_at <= $1
    ORDER BY w.due_at, w.id LIMIT $2
) AS d
JOIN organizations AS o ON o.id = d.organization_id
JOIN events AS e ON e.id = d.event_id AND e.organization_id = d.organization_id
JOIN installations AS i ON i.id = d.installation_id

-- mark_leased --
-- Hand a batch out under one token. Columns: id, organization_id.
UPDATE deliveries AS d SET state = 'leased', lease = $1, leased_until = $2
FROM unnest($3::bytea[], $4::bigint[]) AS s (column1, column2)
WHERE d.id = s.column1 AND d.organization_id = s.column2

-- settle_deliveries --
-- What became of leased deliveries; a row whose lease is no longer ours stays as it is, and
-- is not in the answer. (Only what is leased has
-- a lease. Were the state asked for, the server would go through all that is leased for each row.)
-- Columns: id, lease, state, park_reason, due_at (null: as it was), attempts_made, settled_at, organization_id.
UPDATE deliveries AS d SET
    state = s.column3, park_reason = s.column4, due_at = coalesce(s.column5, d.due_at), lease = NULL,
    leased_until = NULL, schedule_position = d.schedule_position + 1, attempts_made = s.column6, settled_at = s.column7
FROM unnest(
    $1::bytea[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::integer[], $7::bigint[], $8::bigint[]
) AS s (column1, column2, column3, column4, column5, column6, column7, column8)
WHERE d.id = s.column1 AND d.organization_id = s.column8 AND d.lease = s.column2
RETURNING d.id, s.column2

-- savepoint --
-- Nothing: settling says whose leases were lost.

-- rollback_to --
-- Nothing.

-- release --
-- Nothing.

-- insert_attempts --
-- The log: one row an attempt.
INSERT INTO attempts (
    delivery_id, number, started_at, url, outcome, detail, status, signature, dns_us, connect_us, tls_us,
    first_byte_us, total_us, address, http_version, response_head, response_body, response_cut
) SELECT * FROM unnest(
    $1::bytea[], $2::integer[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::text[],
    $16::bytea[], $17::bytea[], $18::boolean[]
)

-- remember_settled --
-- How far the clock was, for a restart after the machine's was set back: at most once a second, and
-- not by two at once: whoever settles does not wait for another's row.
UPDATE facts SET value = $1::bigint::text WHERE name = (
    SELECT name FROM facts WHERE name = 'latest-settled' AND value::bigint <= $1::bigint - 1000000
    FOR UPDATE SKIP LOCKED
)

-- expired --
-- Deliveries whose lease ran out; those that somebody is settling this moment are his.
SELECT id, organization_id, integration_id FROM deliveries WHERE state = 'leased' AND leased_until <= $1
FOR UPDATE SKIP LOCKED

-- wait_again --
-- They wait again, due as they were. Columns: id, organization_id.
UPDATE deliveries AS d SET state = 'waiting', lease = NULL, leased_until = NULL
FROM unnest($1::bytea[], $2::bigint[]) AS s (column1, column2)
WHERE d.id = s.column1 AND d.organization_id = s.column2

-- closed_for --
-- A delivery's organization, and why nothing passes the gate of its integration any more; NULL where
-- something does.
SELECT d.organization_id, g.closed FROM deliveries AS d JOIN gates AS g USING (integration_id) WHERE d.id = $1

-- replay --
-- Final deliveries wait again with their schedule begun anew; in an ordered lane at their old place.
-- Columns: id, organization_id.
UPDATE deliveries AS d SET
    state = 'waiting', park_reason = NULL, schedule_position = 0, settled_at = NULL,
    due_at = CASE WHEN (
        SELECT ordered FROM lanes AS l WHERE l.organization_id = d.organization_id
        AND l.integration_id = d.integration_id
    ) THEN (
        SELECT accepted_at FROM events WHERE id = d.event_id AND organization_id = d.organization_id
    ) ELSE $1 END
FROM unnest($2::bytea[], $3::bigint[]) AS s (column1, column2)
WHERE d.id = s.column1 AND d.organization_id = s.column2 AND d.state IN ('delivered', 'parked')
RETURNING d.organization_id, d.integration_id
