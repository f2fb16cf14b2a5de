"""Orders, each of which tells its shop's integrations."""
