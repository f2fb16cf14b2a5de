"""An event's way out: publish, fan out, lease, sign, POST, settle."""
