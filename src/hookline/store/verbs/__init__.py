"""What the store does, as verbs that know no database: see ``asking``."""
