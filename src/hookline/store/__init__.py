"""The durable state: one contract, its databases, their SQL and migrations."""
