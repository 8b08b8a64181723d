"""What this host accepts: pure functions of values."""
