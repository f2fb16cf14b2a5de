-- Lanes, gates and turns: who may go next. See verbs/lanes.py for what they are, and here for how many nodes
-- share them.
--
-- The order of locks
-- ------------------
-- A transaction waits for locks in this order and no other, so none waits for one that waits for it:
--
-- 1. deliveries, by settling those whose leases it holds. (Rescuing takes only those that nobody holds.)
-- 2. gates, by "gates", in one batch, in the order of integration_id.
-- 3. nothing more. What comes after is either guarded by a gate that is held, or not waited for.
--
-- A row of lanes is changed only by who holds its gate. So whoever holds the gate may read its lanes in a
-- statement of its own, decide, and write.
--
-- A lease waits for nobody: turns, and the gates and lanes that it looks at, are taken with SKIP LOCKED. An
-- organization whose turn another node is serving, and a lane whose gate is in another's hands, are passed
-- over; they keep their places.
--
-- Turns are touched by leases alone. All others leave a note in "arrivals": of a lane in which something new
-- waits, or of an organization whose line changed. The next lease, on any node, takes the notes and makes the
-- changes. For two reasons. Whoever publishes or settles holds his locks until the disk has written, and if
-- the rows of a busy organization were among them, nobody could lease from it. And a place in line that is
-- computed from rows which others are changing would be computed from what they were: a publisher who sees
-- that a lane is in line, and leaves it there, while a lease sees nothing left in it, and takes it out, would
-- be forgotten. A note is committed together with what it tells of, so whoever takes it sees that too.
--
-- READ COMMITTED is what all of this is made for: each statement sees what was committed before it began, and
-- so a statement after the one that took a lock sees all that the holder before did. One statement that takes
-- a lock and reads other rows beside sees those as they were before: so locks are taken first, apart.

-- insert_lane --
-- An integration's lane in an organization; it may be there from an earlier installation.
INSERT INTO lanes (organization_id, integration_id, slow, ordered)
SELECT $1, n.id, g.slow, n.ordered
FROM integrations AS n JOIN gates AS g ON g.integration_id = n.id WHERE n.id = $2
ON CONFLICT DO NOTHING

-- insert_turns --
-- An organization's places in both lines.
INSERT INTO turns (organization_id, slow) VALUES ($1, false), ($1, true) ON CONFLICT DO NOTHING

-- gates --
-- The gates of some integrations, held from now on.
{gates_seen}
ORDER BY g.integration_id
FOR UPDATE

-- gates_seen --
-- The gates of some integrations, for who only looks.
SELECT
    g.integration_id, g.in_flight, g.max_in_flight, g.rate_number, g.rate_per, g.rate_next_at,
    g.pace_window, g.cut_at, g.answered_at, g.slow, g.level, g.held_until, g.closed, g.timeouts,
    g.counted_from, g.warned, g.warned_at, g.failing_since, g.failing_day, g.success_at
FROM gates AS g WHERE g.integration_id = ANY ($1::bigint[])

-- write_gates --
-- What changes of gates as attempts come and go.
UPDATE gates AS g SET
    in_flight = s.column2, rate_next_at = s.column3, pace_window = s.column4, cut_at = s.column5,
    answered_at = s.column6, slow = s.column7, level = s.column8, held_until = s.column9,
    closed = s.column10, timeouts = s.column11, counted_from = s.column12, warned = s.column13,
    warned_at = s.column14, failing_since = s.column15, failing_day = s.column16,
    success_at = s.column17, opens_at = s.column18
FROM unnest(
    $1::bigint[], $2::integer[], $3::bigint[], $4::integer[], $5::bigint[], $6::bigint[], $7::boolean[],
    $8::integer[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
    $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[]
) AS s (
    column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11,
    column12, column13, column14, column15, column16, column17, column18
)
WHERE g.integration_id = s.column1

-- closed_gates --
-- Those of some integrations that nothing passes any more. (Not held: what comes in while one is being
-- closed is found by the note that it leaves.)
SELECT integration_id, closed FROM gates
WHERE closed IS NOT NULL AND integration_id = ANY ($1::bigint[])

-- opening_gates --
-- Gates that time has opened, with lanes waiting at them; those that are in another's hands open later.
SELECT integration_id FROM gates WHERE opens_at <= $1 ORDER BY opens_at LIMIT $2
FOR UPDATE SKIP LOCKED

-- with_lanes_gated --
-- Those of some gates at which lanes wait.
SELECT s.column1 FROM unnest($1::bigint[]) AS s (column1)
CROSS JOIN LATERAL (
    SELECT 1 FROM lanes WHERE integration_id = s.column1 AND gated_at IS NOT NULL ORDER BY gated_at LIMIT 1
) AS first

-- let_on --
-- Let lanes on that wait at some gates, at each so many, longest first.
UPDATE lanes AS l SET ready_at = greatest($1, l.held_until), gated_at = NULL
FROM unnest($3::bigint[]) AS s (column1)
CROSS JOIN LATERAL (
    SELECT w.organization_id FROM lanes AS w
    WHERE w.integration_id = s.column1 AND w.gated_at IS NOT NULL
    ORDER BY w.gated_at, w.organization_id LIMIT $2
) AS first
WHERE l.integration_id = s.column1 AND l.organization_id = first.organization_id
RETURNING l.organization_id

-- turns --
-- Organizations whose turn it is, those first that have waited longest.
SELECT organization_id FROM turns
WHERE slow = $1 AND ready_at <= $2 ORDER BY ready_at, organization_id LIMIT $3
FOR UPDATE SKIP LOCKED

-- lanes_in_line --
-- The first lanes in the lines of some organizations, with their gates held. (Each is locked by itself: as a
-- join, the server would rather go through whole lines. The coalesce keeps it from doing so in the index of
-- the line.)
SELECT mine.organization_id, mine.integration_id, mine.ordered, mine.ready_at
FROM unnest($4::bigint[]) AS s (column1)
CROSS JOIN LATERAL (
    SELECT integration_id FROM lanes
    WHERE organization_id = s.column1 AND slow = $1 AND ready_at <= $2
    ORDER BY ready_at, integration_id LIMIT $3
) AS first
CROSS JOIN LATERAL (
    SELECT l.organization_id, l.integration_id, l.ordered, l.ready_at
    FROM gates AS g JOIN lanes AS l ON l.integration_id = g.integration_id
    WHERE g.integration_id = first.integration_id AND l.organization_id = s.column1
    AND l.slow = $1 AND coalesce(l.ready_at <= $2, false)
    FOR UPDATE OF g, l SKIP LOCKED
) AS mine

-- make_ready --
-- Lanes have something new to lease: leave a note.
INSERT INTO arrivals (organization_id, integration_id, at)
SELECT s.column1, s.column2, $1 FROM unnest($2::bigint[], $3::bigint[]) AS s (column1, column2)

-- queue_up_ready --
-- Nothing: the note is enough.

-- queue_up --
-- The lines of organizations changed: leave a note.
INSERT INTO arrivals (organization_id, at)
SELECT s.column1, $1 FROM unnest($2::bigint[]) AS s (column1)

-- take_arrivals --
-- Take notes, oldest first, with the gates of their lanes held; those whose gate is in another's hands stay.
WITH of_lanes AS MATERIALIZED (
    SELECT a.id FROM arrivals AS a JOIN gates AS g ON g.integration_id = a.integration_id
    ORDER BY a.id LIMIT $1
    FOR UPDATE OF a, g SKIP LOCKED
), of_lines AS MATERIALIZED (
    SELECT id FROM arrivals WHERE integration_id IS NULL ORDER BY id LIMIT $1
    FOR UPDATE SKIP LOCKED
)
DELETE FROM arrivals AS a USING (SELECT id FROM of_lanes UNION ALL SELECT id FROM of_lines) AS mine
WHERE a.id = mine.id
RETURNING a.organization_id, a.integration_id, a.at

-- ready_lanes --
-- What the notes said: lanes have something new to lease. One at its gate stays there, an ordered one behind
-- its attempt; and behind a closed gate it is to be swept. The answer says of each whether it was not yet.
-- Columns: organization_id, integration_id, since.
UPDATE lanes AS l SET
    ready_at = CASE
        WHEN g.closed IS NOT NULL OR l.gated_at IS NOT NULL OR (l.ordered AND l.in_flight > 0) THEN NULL
        ELSE greatest(least(l.ready_at, s.column3), l.held_until) END,
    sweep = l.sweep OR g.closed IS NOT NULL
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS s (column1, column2, column3)
JOIN gates AS g ON g.integration_id = s.column2
JOIN lanes AS was ON was.organization_id = s.column1 AND was.integration_id = s.column2
WHERE l.organization_id = s.column1 AND l.integration_id = s.column2
RETURNING g.closed IS NOT NULL AND NOT was.sweep

-- queue_up_now --
-- Give organizations whose lines changed their place among the others, from within a lease. One in line keeps
-- its place. A place may be too early, and whoever then finds nothing mends it ("end_turns"): later than it
-- should be it is never, so it is only moved forwards, whatever others are about to commit. Where another
-- node has the turn, a note is left.
WITH m AS MATERIALIZED (
    SELECT s.column1 AS organization_id, line.slow, (
        SELECT min(l.ready_at) FROM lanes AS l
        WHERE l.organization_id = s.column1 AND l.slow = line.slow AND l.ready_at IS NOT NULL
    ) AS ready_at
    FROM unnest($2::bigint[]) AS s (column1) CROSS JOIN (VALUES (false), (true)) AS line (slow)
), mine AS MATERIALIZED (
    SELECT t.organization_id, t.slow, m.ready_at
    FROM turns AS t JOIN m ON m.organization_id = t.organization_id AND m.slow = t.slow
    WHERE m.ready_at IS NOT NULL
    FOR UPDATE OF t SKIP LOCKED
), others AS (
    INSERT INTO arrivals (organization_id, at)
    SELECT DISTINCT m.organization_id, $1::bigint FROM m
    WHERE m.ready_at IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM mine WHERE mine.organization_id = m.organization_id AND mine.slow = m.slow
    )
)
UPDATE turns AS t SET ready_at = mine.ready_at FROM mine
WHERE t.organization_id = mine.organization_id AND t.slow = mine.slow
AND (t.ready_at IS NULL OR t.ready_at > greatest(mine.ready_at, $1))

-- served_lanes --
-- Slots were taken, and the gate is still open: the lane goes to the end of its line.
-- Columns: organization_id, integration_id, taken.
UPDATE lanes AS l SET
    in_flight = l.in_flight + s.column3,
    gated_at = NULL,
    ready_at = CASE WHEN NOT (l.ordered AND l.in_flight + s.column3 > 0) THEN (
        SELECT greatest($1, l.held_until, d.due_at) FROM deliveries AS d
        WHERE d.state = 'waiting' AND d.organization_id = s.column1 AND d.integration_id = s.column2
        ORDER BY d.due_at LIMIT 1
    ) END
FROM unnest($2::bigint[], $3::bigint[], $4::integer[]) AS s (column1, column2, column3)
WHERE l.organization_id = s.column1 AND l.integration_id = s.column2

-- gate_lanes --
-- The gate is shut: a lane in which something waits, due or not, waits there; one that was just served
-- after those that were not. Columns as above.
UPDATE lanes AS l SET
    in_flight = l.in_flight + s.column3,
    ready_at = NULL,
    gated_at = CASE WHEN NOT (l.ordered AND l.in_flight + s.column3 > 0) AND EXISTS (
        SELECT 1 FROM deliveries AS d
        WHERE d.state = 'waiting' AND d.organization_id = s.column1 AND d.integration_id = s.column2
    ) THEN $1::bigint + CASE WHEN s.column3 > 0 THEN 1 ELSE 0 END END
FROM unnest($2::bigint[], $3::bigint[], $4::integer[]) AS s (column1, column2, column3)
WHERE l.organization_id = s.column1 AND l.integration_id = s.column2

-- free_lanes --
-- Slots were freed; a lane in line keeps its place. The answer: the organization of each lane, and since or
-- from when it is in line.
-- Columns: organization_id, integration_id, freed, held until (of an ordered lane).
UPDATE lanes AS l SET
    in_flight = l.in_flight - s.column3,
    held_until = greatest(l.held_until, s.column4),
    ready_at = CASE
        WHEN l.gated_at IS NOT NULL OR (l.ordered AND l.in_flight - s.column3 > 0) THEN NULL
        WHEN l.ready_at <= $1 AND s.column4 <= $1 THEN l.ready_at
        ELSE (
            SELECT greatest($1, l.held_until, s.column4, d.due_at) FROM deliveries AS d
            WHERE d.state = 'waiting' AND d.organization_id = s.column1 AND d.integration_id = s.column2
            ORDER BY d.due_at LIMIT 1
        )
    END
FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::bigint[])
AS s (column1, column2, column3, column4)
WHERE l.organization_id = s.column1 AND l.integration_id = s.column2
RETURNING l.organization_id, l.ready_at

-- ordered_lanes --
-- Those of some lanes that are ordered.
SELECT s.column1, s.column2
FROM unnest($1::bigint[], $2::bigint[]) AS s (column1, column2) JOIN lanes AS l
ON l.organization_id = s.column1 AND l.integration_id = s.column2 WHERE l.ordered

-- end_turns --
-- Organizations had their turn, which is held: they go to the end of the line.
UPDATE turns AS t SET ready_at = (
    SELECT greatest($1, l.ready_at) FROM lanes AS l
    WHERE l.organization_id = s.column1 AND l.slow = $2 AND l.ready_at IS NOT NULL
    ORDER BY l.ready_at LIMIT 1
)
FROM unnest($3::bigint[]) AS s (column1)
WHERE t.organization_id = s.column1 AND t.slow = $2

-- next_ready --
-- When the next turn in each of the lines comes, and when time opens the next gate. A note that could not be
-- taken is a reason to come back.
SELECT
    least(
        (SELECT min(ready_at) FROM turns WHERE slow = false AND ready_at IS NOT NULL),
        (SELECT at FROM arrivals ORDER BY id LIMIT 1)
    ),
    (SELECT min(ready_at) FROM turns WHERE slow = true AND ready_at IS NOT NULL),
    (SELECT min(opens_at) FROM gates WHERE opens_at IS NOT NULL)

-- change_lines --
-- Integrations change lines: their lanes do. Columns: integration_id, slow.
UPDATE lanes AS l SET slow = s.column2
FROM unnest($1::bigint[], $2::boolean[]) AS s (column1, column2) WHERE l.integration_id = s.column1
RETURNING l.organization_id

-- refresh_lanes --
-- An integration was changed: all its lanes look anew, and find their gate when their turn comes.
UPDATE lanes AS l SET
    slow = $2, ordered = $3, gated_at = NULL, sweep = false,
    held_until = CASE WHEN $3 THEN l.held_until ELSE 0 END,
    ready_at = CASE WHEN NOT ($3 AND l.in_flight > 0) THEN (
        SELECT greatest($4, CASE WHEN $3 THEN l.held_until ELSE 0 END, d.due_at) FROM deliveries AS d
        WHERE d.state = 'waiting' AND d.organization_id = l.organization_id
        AND d.integration_id = l.integration_id
        ORDER BY d.due_at LIMIT 1
    ) END
WHERE l.integration_id = $1
RETURNING l.organization_id

-- order_lanes --
-- An integration behind a closed gate was made ordered, or not.
UPDATE lanes SET ordered = $2 WHERE integration_id = $1

-- in_order_of_acceptance --
-- What waits in ordered lanes is due in the order in which it was accepted.
UPDATE deliveries AS d SET due_at = (
    SELECT e.accepted_at FROM events AS e
    WHERE e.id = d.event_id AND e.organization_id = d.organization_id
)
WHERE d.state = 'waiting' AND d.integration_id = $1 AND d.organization_id IN (
    SELECT organization_id FROM lanes WHERE integration_id = $1
)

-- shut_lanes --
-- An integration's gate was closed: nothing of it is in line, and what waits is to be parked.
UPDATE lanes SET ready_at = NULL, gated_at = NULL, held_until = 0, sweep = true
WHERE integration_id = $1
RETURNING organization_id

-- to_sweep --
-- A lane in which something may still wait behind a closed gate, with that gate held.
SELECT l.organization_id, l.integration_id, g.closed
FROM lanes AS l
CROSS JOIN LATERAL (
    SELECT closed FROM gates WHERE integration_id = l.integration_id AND closed IS NOT NULL
    FOR UPDATE SKIP LOCKED
) AS g
WHERE l.sweep LIMIT 1

-- sweep --
-- Park some of what waits in a lane.
UPDATE deliveries SET state = 'parked', park_reason = $3, settled_at = $4
WHERE organization_id = $1 AND id IN (
    SELECT id FROM deliveries
    WHERE state = 'waiting' AND organization_id = $1 AND integration_id = $2 LIMIT $5
)

-- swept --
-- Nothing waits in a lane any more.
UPDATE lanes SET sweep = false WHERE organization_id = $1 AND integration_id = $2
