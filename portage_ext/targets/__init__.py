"""Targets: the configuration and the state of another host, taken read-only, so that this one can build what fits there."""
