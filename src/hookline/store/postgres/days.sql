-- The days of the log: attempts stand in a partition for each. See verbs/days.py and partitions.py.

-- days_there --
-- The names of the days that have a partition.
SELECT right(c.relname, 8) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'attempts'::regclass AND c.relname ~ '^attempts_[0-9]{8}$'

-- is_in_default --
-- Whether the partition by default holds something of a range of ids.
SELECT EXISTS (SELECT 1 FROM attempts_default WHERE delivery_id >= $1 AND delivery_id < $2)

-- has_unfinished --
-- Whether a delivery of a range of ids waits or is under way. It goes through the two indexes of those, whose
-- entries tell the id (or are few): 0.1 s for a million that wait.
SELECT EXISTS (SELECT 1 FROM deliveries WHERE state = 'waiting' AND id >= $1 AND id < $2)
OR EXISTS (SELECT 1 FROM deliveries WHERE state = 'leased' AND id >= $1 AND id < $2)
