-- When a decision was last needed, to the day, so that it can be deleted after its last event. An index
-- of events by plan would say it exactly, at the price of one more index entry an event.
-- What is there already counts as used by the newest event.
ALTER TABLE plans ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0;

UPDATE plans SET last_used_at = coalesce((SELECT accepted_at FROM events ORDER BY id DESC LIMIT 1), 0);
