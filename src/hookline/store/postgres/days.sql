-- The days of the log: attempts stand in a partition for each. See partitions.py.

-- partitions_there --
-- The names of the partitions of attempts.
SELECT c.relname::text FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'attempts'::regclass

-- is_in_default --
-- Whether the partition by default holds something of a range of ids.
SELECT EXISTS (SELECT 1 FROM attempts_default WHERE delivery_id >= $1 AND delivery_id < $2)

-- unfinished_between --
-- Between which of some ascending ids there is a delivery that waits or is under way, each as the number of
-- the id before it (1 is the first), and all below the last. It goes through the two indexes of what is not
-- final: only their entries, for an id stands in the first of them and few are in the second.
SELECT DISTINCT width_bucket(u.id, $1::bytea[]) FROM (
    SELECT id FROM deliveries WHERE state = 'waiting' AND id < $2
    UNION ALL
    SELECT id FROM deliveries WHERE state = 'leased' AND id < $2
) AS u
