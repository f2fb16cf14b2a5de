"""A realistic sample of every documented resource and action, as pure data."""
