"""Which order a merge list must keep, and what must not be removed: pure functions of values."""
