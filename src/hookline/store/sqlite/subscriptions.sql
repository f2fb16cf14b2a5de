-- Unsubscribing, resubscribing, recovering, and telling of it. See subscriptions.py.

-- insert_timeout --
-- One more timeout of an integration.
INSERT INTO timeouts (integration_id, number, at) VALUES (?, ?, ?)

-- nth_timeout --
-- When the timeout of that number was.
SELECT at FROM timeouts WHERE integration_id = ? AND number = ?

-- forget_timeouts --
-- Those that no rule looks at any more.
DELETE FROM timeouts WHERE integration_id = ? AND number <= ?

-- timeouts_since --
-- How many timeouts of an integration count within a span; it has at most the newest thousand or so.
SELECT count(*) FROM timeouts AS t JOIN gates AS g USING (integration_id)
WHERE t.integration_id = :integration_id AND t.number > g.counted_from AND t.at > :since

-- timing_out --
-- The integrations whose newest timeout is in the span: the numbers of the oldest and of the newest that may
-- count. (How many do is found by halves: the numbers are in the order of time.)
SELECT
    n.slug, g.integration_id,
    max(g.counted_from + 1, (
        SELECT min(o.number) FROM timeouts AS o WHERE o.integration_id = g.integration_id
    )),
    g.timeouts
FROM gates AS g
CROSS JOIN timeouts AS t ON t.integration_id = g.integration_id AND t.number = g.timeouts
CROSS JOIN integrations AS n ON n.id = g.integration_id AND n.deleted_at IS NULL
WHERE g.timeouts > g.counted_from AND t.at > :since

-- unsubscribe --
-- It receives no more events.
UPDATE integrations SET unsubscribed_at = ?, unsubscribe_reason = ?, unsubscribe_detail = ?
WHERE id = ?

-- resubscribe --
-- It receives events again.
UPDATE integrations SET
    unsubscribed_at = NULL, unsubscribe_reason = NULL, unsubscribe_detail = NULL
WHERE id = ?

-- insert_notice --
-- Something that operators are told.
INSERT INTO notices (at, kind, integration_id, reason, message) VALUES (?, ?, ?, ?, ?)

-- notice_columns --
-- A notice with the names of its integration, as every read of one selects it.
SELECT
    c.id, c.at, c.kind, c.reason, c.message, n.slug, n.uuid, n.name, n.webhook_url, o.slug,
    c.published_at, c.mailed_at
FROM notices AS c
JOIN integrations AS n ON n.id = c.integration_id
LEFT JOIN organizations AS o ON o.id = n.organization_id

-- health_of --
-- What an integration's health page shows besides its gate. Counting what waits is the one long read.
SELECT
    (
        SELECT count(*) FROM lanes AS l JOIN deliveries AS d
        ON d.organization_id = l.organization_id AND d.integration_id = l.integration_id
        WHERE l.integration_id = :integration_id AND d.state = 'waiting'
    ),
    (SELECT count(*) FROM deliveries WHERE state = 'parked' AND integration_id = :integration_id)

-- parked_to_recover --
-- The next parked deliveries of an integration.
SELECT id, settled_at FROM deliveries
WHERE state = 'parked' AND integration_id = ? AND id > ? AND id < ? ORDER BY id LIMIT ?

-- all_to_recover --
-- The next deliveries of an integration, whatever their state.
SELECT id, state FROM deliveries
WHERE integration_id = ? AND id > ? AND id < ? ORDER BY id LIMIT ?

-- count_parked --
-- What a recovery of parked deliveries would take, by reason.
SELECT park_reason, count(*) FROM deliveries
WHERE state = 'parked' AND integration_id = ? AND id > ? AND id < ? AND settled_at >= ?
GROUP BY park_reason

-- count_delivered --
-- What a recovery of delivered ones would take.
SELECT count(*) FROM deliveries
WHERE integration_id = ? AND id > ? AND id < ? AND state = 'delivered'

-- insert_recovery --
-- Begin to recover.
INSERT INTO recoveries (integration_id, states, parked_since, after_id, until_id, begun_at)
VALUES (?, ?, ?, ?, ?, ?)

-- recovery_columns --
-- A recovery, as every read of one selects it.
SELECT id, integration_id, states, parked_since, after_id, until_id, recovered, begun_at, done_at
FROM recoveries

-- advance_recovery --
-- How far a recovery got.
UPDATE recoveries SET after_id = ?, recovered = recovered + ?, done_at = ? WHERE id = ?
