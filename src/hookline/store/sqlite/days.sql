-- The days of the log, which this database does not keep apart: there is one table, and nothing to ask.

-- days_there --
-- Nothing: there are none.

-- is_in_default --
-- Nothing.

-- has_unfinished --
-- Nothing.
