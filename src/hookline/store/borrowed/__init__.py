"""Running verbs on a connection that is the caller's, inside the caller's own transaction.

Nothing here begins, commits or closes anything (but for what a driver does by itself at the first
statement). What a verb did is a savepoint's: if it is refused, or fails, the caller's transaction is as
it was before, and usable.

``steps`` knows what is done, in which order, on each kind of database. ``with_*`` know a driver each:
they do one step, and are imported only when somebody comes with a connection of that driver.
``connections`` tells whose a connection is.
"""
