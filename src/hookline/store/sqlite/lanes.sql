-- Lanes, gates and turns: who may go next. See verbs/lanes.py.

-- insert_lane --
-- An integration's lane in an organization; it may be there from an earlier installation.
INSERT INTO lanes (organization_id, integration_id, slow, ordered)
SELECT ?1, n.id, g.slow, n.ordered
FROM integrations AS n JOIN gates AS g ON g.integration_id = n.id WHERE n.id = ?2
ON CONFLICT DO NOTHING

-- insert_turns --
-- An organization's places in both lines.
INSERT INTO turns (organization_id, slow) VALUES (?1, 0), (?1, 1) ON CONFLICT DO NOTHING

-- gates --
-- The gates of some integrations, to change them.
{gates_seen}

-- gates_seen --
-- The gates of some integrations, for who only looks.
SELECT
    g.integration_id, g.in_flight, g.max_in_flight, g.rate_number, g.rate_per, g.rate_next_at,
    g.pace_window, g.cut_at, g.answered_at, g.slow, g.level, g.held_until, g.closed, g.timeouts,
    g.counted_from, g.warned, g.warned_at, g.failing_since, g.failing_day, g.success_at
FROM gates AS g WHERE g.integration_id IN (VALUES {rows})

-- write_gates --
-- What changes of gates as attempts come and go.
UPDATE gates SET
    in_flight = s.column2, rate_next_at = s.column3, pace_window = s.column4, cut_at = s.column5,
    answered_at = s.column6, slow = s.column7, level = s.column8, held_until = s.column9,
    closed = s.column10, timeouts = s.column11, counted_from = s.column12, warned = s.column13,
    warned_at = s.column14, failing_since = s.column15, failing_day = s.column16,
    success_at = s.column17, opens_at = s.column18
FROM (VALUES {rows}) AS s WHERE gates.integration_id = s.column1

-- closed_gates --
-- Those of some integrations that nothing passes any more.
SELECT integration_id, closed FROM gates
WHERE closed IS NOT NULL AND integration_id IN (VALUES {rows})

-- opening_gates --
-- Gates that time has opened, with lanes waiting at them.
SELECT integration_id FROM gates WHERE opens_at <= ?1 ORDER BY opens_at LIMIT ?2

-- with_lanes_gated --
-- Those of some gates at which lanes wait.
SELECT s.column1 FROM (VALUES {rows}) AS s WHERE EXISTS (
    SELECT 1 FROM lanes WHERE integration_id = s.column1 AND gated_at IS NOT NULL
)

-- let_on --
-- Let lanes on that wait at some gates, at each so many, longest first.
UPDATE lanes SET ready_at = max(?1, held_until), gated_at = NULL
FROM (VALUES {rows}) AS s
WHERE lanes.integration_id = s.column1 AND lanes.organization_id IN (
    SELECT w.organization_id FROM lanes AS w
    WHERE w.integration_id = s.column1 AND w.gated_at IS NOT NULL ORDER BY w.gated_at LIMIT ?2
)
RETURNING organization_id

-- turns --
-- Organizations whose turn it is, those first that have waited longest.
SELECT organization_id FROM turns
WHERE slow = ?1 AND ready_at <= ?2 ORDER BY ready_at, organization_id LIMIT ?3

-- lanes_in_line --
-- The first lanes in the lines of some organizations.
SELECT l.organization_id, l.integration_id, l.ordered, l.ready_at
FROM (VALUES {rows}) AS s JOIN lanes AS l
ON l.organization_id = s.column1 AND l.integration_id IN (
    SELECT integration_id FROM lanes
    WHERE organization_id = s.column1 AND slow = ?1 AND ready_at <= ?2
    ORDER BY ready_at, integration_id LIMIT ?3
)

-- make_ready --
-- Lanes have something new to lease. One at its gate stays there, and an ordered one behind its attempt.
UPDATE lanes SET ready_at = CASE
    WHEN gated_at IS NOT NULL OR (ordered AND in_flight > 0) THEN NULL
    ELSE max(min(coalesce(ready_at, ?1), ?1), held_until) END
FROM (VALUES {rows}) AS s
WHERE lanes.organization_id = s.column1 AND lanes.integration_id = s.column2

-- queue_up_ready --
-- Their organizations are given their place at once.
{queue_up}

-- take_arrivals --
-- Nothing: with one writer, whoever changes something gives it its place himself.

-- ready_lanes --
-- Nothing, since there are no notes.

-- served_lanes --
-- Slots were taken, and the gate is still open: the lane goes to the end of its line.
-- Columns: organization_id, integration_id, taken.
UPDATE lanes SET
    in_flight = in_flight + s.column3,
    ready_at = CASE WHEN ordered AND in_flight + s.column3 > 0 THEN NULL ELSE max(?1, held_until, (
        SELECT min(due_at) FROM deliveries
        WHERE state = 'waiting' AND organization_id = s.column1 AND integration_id = s.column2
    )) END
FROM (VALUES {rows}) AS s
WHERE lanes.organization_id = s.column1 AND lanes.integration_id = s.column2

-- gate_lanes --
-- The gate is shut: a lane in which something waits, due or not, waits there; one that was just served
-- after those that were not. Columns as above.
UPDATE lanes SET
    in_flight = in_flight + s.column3,
    ready_at = NULL,
    gated_at = CASE WHEN NOT (ordered AND in_flight + s.column3 > 0) AND EXISTS (
        SELECT 1 FROM deliveries
        WHERE state = 'waiting' AND organization_id = s.column1 AND integration_id = s.column2
    ) THEN ?1 + (s.column3 > 0) END
FROM (VALUES {rows}) AS s
WHERE lanes.organization_id = s.column1 AND lanes.integration_id = s.column2

-- free_lanes --
-- Slots were freed; a lane in line keeps its place. The answer: the organization of each lane, and since or
-- from when it is in line. (SQLite 3.40 takes "ready_at IS NOT NULL" for true in this place, whatever it is.)
-- Columns: organization_id, integration_id, freed, held until (of an ordered lane).
UPDATE lanes SET
    in_flight = in_flight - s.column3,
    held_until = max(held_until, s.column4),
    ready_at = CASE
        WHEN gated_at IS NOT NULL OR (ordered AND in_flight - s.column3 > 0) THEN NULL
        WHEN ready_at <= ?1 AND s.column4 <= ?1 THEN ready_at
        ELSE max(?1, held_until, s.column4, (
            SELECT min(due_at) FROM deliveries
            WHERE state = 'waiting' AND organization_id = s.column1 AND integration_id = s.column2
        ))
    END
FROM (VALUES {rows}) AS s
WHERE lanes.organization_id = s.column1 AND lanes.integration_id = s.column2
RETURNING organization_id, ready_at

-- ordered_lanes --
-- Those of some lanes that are ordered.
SELECT s.column1, s.column2 FROM (VALUES {rows}) AS s JOIN lanes AS l
ON l.organization_id = s.column1 AND l.integration_id = s.column2 WHERE l.ordered

-- queue_up --
-- Something became ready, or nothing is: organizations in line keep their place.
UPDATE turns SET ready_at = CASE
    WHEN turns.ready_at <= ?1 THEN max(turns.ready_at, m.ready_at) ELSE m.ready_at END
FROM (
    SELECT s.column1 AS organization_id, line.column1 AS slow, (
        SELECT min(ready_at) FROM lanes
        WHERE organization_id = s.column1 AND slow = line.column1 AND ready_at IS NOT NULL
    ) AS ready_at
    FROM (VALUES {rows}) AS s, (VALUES (0), (1)) AS line
) AS m
WHERE turns.organization_id = m.organization_id AND turns.slow = m.slow

-- queue_up_now --
-- The same for who holds the turns.
{queue_up}

-- end_turns --
-- Organizations had their turn: they go to the end of the line.
UPDATE turns SET ready_at = max(?1, (
    SELECT min(ready_at) FROM lanes
    WHERE organization_id = s.column1 AND slow = ?2 AND ready_at IS NOT NULL
))
FROM (VALUES {rows}) AS s
WHERE turns.organization_id = s.column1 AND turns.slow = ?2

-- next_ready --
-- When the next turn in each of the lines comes, and when time opens the next gate.
SELECT
    (SELECT min(ready_at) FROM turns WHERE slow = 0 AND ready_at IS NOT NULL),
    (SELECT min(ready_at) FROM turns WHERE slow = 1 AND ready_at IS NOT NULL),
    (SELECT min(opens_at) FROM gates WHERE opens_at IS NOT NULL)

-- change_lines --
-- Integrations change lines: their lanes do. Columns: integration_id, slow.
UPDATE lanes SET slow = s.column2
FROM (VALUES {rows}) AS s WHERE lanes.integration_id = s.column1
RETURNING organization_id

-- refresh_lanes --
-- An integration was changed: all its lanes look anew, and find their gate when their turn comes.
UPDATE lanes SET
    slow = ?2, ordered = ?3, gated_at = NULL, sweep = 0,
    held_until = CASE WHEN ?3 THEN held_until ELSE 0 END,
    ready_at = CASE WHEN ?3 AND in_flight > 0 THEN NULL
    ELSE max(?4, CASE WHEN ?3 THEN held_until ELSE 0 END, (
        SELECT min(due_at) FROM deliveries AS d
        WHERE d.state = 'waiting' AND d.organization_id = lanes.organization_id
        AND d.integration_id = lanes.integration_id
    )) END
WHERE integration_id = ?1
RETURNING organization_id

-- order_lanes --
-- An integration behind a closed gate was made ordered, or not.
UPDATE lanes SET ordered = ?2 WHERE integration_id = ?1

-- in_order_of_acceptance --
-- What waits in ordered lanes is due in the order in which it was accepted.
UPDATE deliveries SET due_at = (SELECT accepted_at FROM events WHERE id = deliveries.event_id)
WHERE state = 'waiting' AND integration_id = ?1 AND organization_id IN (
    SELECT organization_id FROM lanes WHERE integration_id = ?1
)

-- shut_lanes --
-- An integration's gate was closed: nothing of it is in line, and what waits is to be parked.
UPDATE lanes SET ready_at = NULL, gated_at = NULL, held_until = 0, sweep = 1
WHERE integration_id = ?1
RETURNING organization_id

-- to_sweep --
-- A lane in which something may still wait behind a closed gate.
SELECT l.organization_id, l.integration_id, g.closed
FROM lanes AS l JOIN gates AS g ON g.integration_id = l.integration_id WHERE l.sweep = 1 LIMIT 1

-- sweep --
-- Park some of what waits in a lane.
UPDATE deliveries SET state = 'parked', park_reason = ?3, settled_at = ?4
WHERE id IN (
    SELECT id FROM deliveries
    WHERE state = 'waiting' AND organization_id = ?1 AND integration_id = ?2 LIMIT ?5
)

-- swept --
-- Nothing waits in a lane any more.
UPDATE lanes SET sweep = 0 WHERE organization_id = ?1 AND integration_id = ?2
