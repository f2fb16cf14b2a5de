-- Unsubscribing, resubscribing, recovering, and telling of it. See verbs/subscriptions.py.

-- insert_timeouts --
-- More timeouts of integrations.
INSERT INTO timeouts (integration_id, number, at) VALUES {rows}

-- nth_timeouts --
-- When the timeouts of these numbers were. Columns: integration_id, number.
SELECT t.integration_id, t.number, t.at FROM (VALUES {rows}) AS s JOIN timeouts AS t
ON t.integration_id = s.column1 AND t.number = s.column2

-- forget_timeouts --
-- Those that no rule looks at any more. Columns: integration_id, number up to which they go.
DELETE FROM timeouts WHERE (integration_id, number) IN (
    SELECT t.integration_id, t.number FROM (VALUES {rows}) AS s JOIN timeouts AS t
    ON t.integration_id = s.column1 AND t.number <= s.column2
)

-- timeouts_since --
-- How many timeouts of an integration count within a span; it has at most the newest thousand or so.
SELECT count(*) FROM timeouts AS t JOIN gates AS g USING (integration_id)
WHERE t.integration_id = ?1 AND t.number > g.counted_from AND t.at > ?2

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
WHERE g.timeouts > g.counted_from AND t.at > ?1

-- unsubscribe --
-- It receives no more events.
UPDATE integrations SET unsubscribed_at = ?2, unsubscribe_reason = ?3, unsubscribe_detail = ?4
WHERE id = ?1

-- resubscribe --
-- It receives events again.
UPDATE integrations SET
    unsubscribed_at = NULL, unsubscribe_reason = NULL, unsubscribe_detail = NULL
WHERE id = ?1

-- is_ordered --
-- Whether an integration asks for order.
SELECT ordered FROM integrations WHERE id = ?1

-- insert_notice --
-- Something that operators are told.
INSERT INTO notices (at, kind, integration_id, reason, message) VALUES (?1, ?2, ?3, ?4, ?5)

-- notice_columns --
-- A notice with the names of its integration, as every read of one selects it.
SELECT
    c.id, c.at, c.kind, c.reason, c.message, n.slug, n.uuid, n.name, n.webhook_url, o.slug,
    c.published_at, c.mailed_at
FROM notices AS c
JOIN integrations AS n ON n.id = c.integration_id
LEFT JOIN organizations AS o ON o.id = n.organization_id

-- notices --
-- Notices, newest first: those before an id, of one integration or of all.
{notice_columns}
WHERE (?1 IS NULL OR c.id < ?1) AND (?2 IS NULL OR c.integration_id = ?2) ORDER BY c.id DESC LIMIT ?3

-- unpublished_notices --
-- Notices of which no event tells yet, oldest first.
{notice_columns} WHERE c.published_at IS NULL ORDER BY c.id LIMIT ?1

-- unmailed_notices --
-- Notices of which no e-mail tells yet, oldest first.
{notice_columns} WHERE c.mailed_at IS NULL ORDER BY c.id LIMIT ?1

-- close_notice --
-- By which ways a notice was told; NULL: not now.
UPDATE notices SET
    published_at = coalesce(published_at, ?2), mailed_at = coalesce(mailed_at, ?3)
WHERE id = ?1

-- health_of --
-- What an integration's health page shows besides its gate. Counting what waits is the one long read.
SELECT
    (
        SELECT count(*) FROM lanes AS l JOIN deliveries AS d
        ON d.organization_id = l.organization_id AND d.integration_id = l.integration_id
        WHERE l.integration_id = ?1 AND d.state = 'waiting'
    ),
    (SELECT count(*) FROM deliveries WHERE state = 'parked' AND integration_id = ?1)

-- parked_to_recover --
-- The next parked deliveries of an integration.
SELECT id, organization_id, settled_at FROM deliveries
WHERE state = 'parked' AND integration_id = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT ?4

-- all_to_recover --
-- The next deliveries of an integration, whatever their state.
SELECT id, organization_id, state FROM deliveries
WHERE integration_id = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT ?4

-- count_parked --
-- What a recovery of parked deliveries would take, by reason.
SELECT park_reason, count(*) FROM deliveries
WHERE state = 'parked' AND integration_id = ?1 AND id > ?2 AND id < ?3 AND settled_at >= ?4
GROUP BY park_reason

-- count_delivered --
-- What a recovery of delivered ones would take.
SELECT count(*) FROM deliveries
WHERE integration_id = ?1 AND id > ?2 AND id < ?3 AND state = 'delivered'

-- newest_delivery --
-- The newest delivery of an integration.
SELECT max(id) FROM deliveries WHERE integration_id = ?1

-- insert_recovery --
-- Begin to recover.
INSERT INTO recoveries (integration_id, states, parked_since, after_id, until_id, begun_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
RETURNING id

-- recovery_columns --
-- A recovery, as every read of one selects it.
SELECT id, integration_id, states, parked_since, after_id, until_id, recovered, begun_at, done_at
FROM recoveries

-- recovery --
-- One recovery.
{recovery_columns} WHERE id = ?1

-- open_recovery --
-- The recovery that is to go on first.
{recovery_columns} WHERE done_at IS NULL ORDER BY id LIMIT 1

-- recoveries --
-- An integration's recoveries, newest first.
{recovery_columns} WHERE integration_id = ?1 ORDER BY id DESC LIMIT 20

-- advance_recovery --
-- How far a recovery got.
UPDATE recoveries SET after_id = ?2, recovered = recovered + ?3, done_at = ?4 WHERE id = ?1
