"""The store on PostgreSQL, which many nodes may share."""
