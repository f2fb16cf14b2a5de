-- When a decision was last needed, to the day, so that it can be deleted after its last event. An index
-- of events by plan would say it exactly, at the price of one more index entry an event.
-- What is there already counts as used by the newest event.
ALTER TABLE plans ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0;

UPDATE plans SET last_used_at = coalesce((SELECT accepted_at FROM events ORDER BY id DESC LIMIT 1), 0);

-- The state is in each entry, though all are the same, so that counting what waits, and finding what is
-- due first, need not look into the table: SQLite does so for each column of a condition that the index
-- has not, even where the index's own condition settles it.
DROP INDEX deliveries_waiting;
CREATE INDEX deliveries_waiting ON deliveries (integration_id, due_at, state) WHERE state = 'waiting';
