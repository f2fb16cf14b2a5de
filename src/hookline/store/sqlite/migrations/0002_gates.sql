-- Lanes become one an organization and integration, behind one gate an integration; unsubscribing.

ALTER TABLE integrations DROP COLUMN status;
ALTER TABLE integrations ADD COLUMN rate_number INTEGER;
ALTER TABLE integrations ADD COLUMN rate_per TEXT CHECK (rate_per IN ('second', 'minute'));
ALTER TABLE integrations ADD COLUMN ordered INTEGER NOT NULL DEFAULT 0 CHECK (ordered IN (0, 1));
ALTER TABLE integrations ADD COLUMN unsubscribed_at INTEGER;
ALTER TABLE integrations ADD COLUMN unsubscribe_reason TEXT
CHECK (unsubscribe_reason IN ('timeouts', 'failures', 'gone', 'manual'));
ALTER TABLE integrations ADD COLUMN unsubscribe_detail TEXT;

-- One row an integration: how many more of its attempts may begin (core/gate.py), and what the rules of
-- unsubscribing go by (core/unsubscribing.py).
-- opens_at: when time alone lets a lane on that waits at this gate; NULL when none waits, or when it takes
-- a freed slot.
CREATE TABLE gates (
    integration_id INTEGER PRIMARY KEY,
    in_flight INTEGER NOT NULL DEFAULT 0 CHECK (in_flight >= 0),
    max_in_flight INTEGER NOT NULL,
    rate_number INTEGER,
    rate_per TEXT,
    rate_next_at INTEGER NOT NULL DEFAULT 0,
    pace_window INTEGER NOT NULL DEFAULT 1000,
    cut_at INTEGER NOT NULL DEFAULT 0,
    answered_at INTEGER NOT NULL DEFAULT 0,
    slow INTEGER NOT NULL DEFAULT 0,
    level INTEGER NOT NULL DEFAULT 0,
    held_until INTEGER NOT NULL DEFAULT 0,
    closed TEXT CHECK (closed IN ('unsubscribed', 'deleted')),
    timeouts INTEGER NOT NULL DEFAULT 0,
    counted_from INTEGER NOT NULL DEFAULT 0,
    warned INTEGER NOT NULL DEFAULT 0,
    warned_at INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    failing_day INTEGER NOT NULL DEFAULT 0,
    success_at INTEGER,
    opens_at INTEGER
) STRICT;

CREATE INDEX gates_opening ON gates (opens_at) WHERE opens_at IS NOT NULL;

INSERT INTO gates (integration_id, in_flight, max_in_flight, closed)
SELECT
    n.id, coalesce(l.in_flight, 0), n.max_in_flight,
    CASE WHEN n.deleted_at IS NOT NULL THEN 'deleted' END
FROM integrations AS n LEFT JOIN lanes AS l ON l.integration_id = n.id;

DROP TABLE lanes;

-- What waits for an integration in an organization. A lane is in its organization's line (ready_at), or
-- waits at its gate (gated_at), or neither: nothing waits in it, or it is ordered and has an attempt under
-- way. held_until: an ordered lane whose first delivery is to be retried. sweep: the gate was closed, and
-- what waits here is still to be parked.
CREATE TABLE lanes (
    organization_id INTEGER NOT NULL,
    integration_id INTEGER NOT NULL,
    slow INTEGER NOT NULL DEFAULT 0,
    ordered INTEGER NOT NULL DEFAULT 0,
    ready_at INTEGER,
    gated_at INTEGER,
    in_flight INTEGER NOT NULL DEFAULT 0 CHECK (in_flight >= 0),
    held_until INTEGER NOT NULL DEFAULT 0,
    sweep INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, integration_id),
    CHECK (ready_at IS NULL OR gated_at IS NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX lanes_line ON lanes (organization_id, slow, ready_at) WHERE ready_at IS NOT NULL;
CREATE INDEX lanes_gated ON lanes (integration_id, gated_at) WHERE gated_at IS NOT NULL;
CREATE INDEX lanes_sweep ON lanes (sweep) WHERE sweep = 1;
CREATE INDEX lanes_integration ON lanes (integration_id);

-- The organizations' places in the two lines, the quick one and the slow one: when something of theirs is
-- ready, or since when they wait for their turn.
CREATE TABLE turns (
    organization_id INTEGER NOT NULL,
    slow INTEGER NOT NULL,
    ready_at INTEGER,
    PRIMARY KEY (organization_id, slow)
) STRICT, WITHOUT ROWID;

CREATE INDEX turns_line ON turns (slow, ready_at) WHERE ready_at IS NOT NULL;

-- The state is in each entry, though all are the same, so that counting what waits, and finding what is
-- due first, need not look into the table: SQLite does so for each column of a condition that the index
-- has not, even where the index's own condition settles it.
DROP INDEX deliveries_waiting;
CREATE INDEX deliveries_waiting ON deliveries (organization_id, integration_id, state, due_at)
WHERE state = 'waiting';

-- Recovering goes through what is parked and nothing else.
CREATE INDEX deliveries_parked ON deliveries (integration_id, id) WHERE state = 'parked';

INSERT INTO lanes (organization_id, integration_id, in_flight, ready_at)
SELECT
    i.organization_id, i.integration_id,
    (
        SELECT count(*) FROM deliveries AS d
        WHERE d.state = 'leased' AND d.organization_id = i.organization_id
        AND d.integration_id = i.integration_id
    ),
    (
        SELECT min(d.due_at) FROM deliveries AS d
        WHERE d.state = 'waiting' AND d.organization_id = i.organization_id
        AND d.integration_id = i.integration_id
    )
FROM (SELECT DISTINCT organization_id, integration_id FROM installations) AS i;

INSERT INTO turns (organization_id, slow, ready_at)
SELECT organization_id, 0, min(ready_at) FROM lanes GROUP BY organization_id;
INSERT INTO turns (organization_id, slow) SELECT organization_id, 1 FROM turns;

-- The newest timeouts of each integration, numbered: the thousandth newest is one look-up.
CREATE TABLE timeouts (
    integration_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (integration_id, number)
) STRICT, WITHOUT ROWID;

-- What operators are told. Written in the transaction that it tells of; published_at and mailed_at: when
-- each way of telling was done with.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('warned', 'unsubscribed', 'resubscribed')),
    integration_id INTEGER NOT NULL REFERENCES integrations (id),
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    published_at INTEGER,
    mailed_at INTEGER
) STRICT;

CREATE INDEX notices_unpublished ON notices (id) WHERE published_at IS NULL;
CREATE INDEX notices_unmailed ON notices (id) WHERE mailed_at IS NULL;
CREATE INDEX notices_integration ON notices (integration_id, id);

-- Recoveries under way: which of an integration's final deliveries are made to wait again, and how far.
CREATE TABLE recoveries (
    id INTEGER PRIMARY KEY,
    integration_id INTEGER NOT NULL REFERENCES integrations (id),
    states TEXT NOT NULL,
    parked_since INTEGER NOT NULL,
    after_id BLOB NOT NULL,
    until_id BLOB NOT NULL,
    recovered INTEGER NOT NULL DEFAULT 0,
    begun_at INTEGER NOT NULL,
    done_at INTEGER
) STRICT;

CREATE INDEX recoveries_open ON recoveries (id) WHERE done_at IS NULL;
CREATE INDEX recoveries_integration ON recoveries (integration_id, id);
