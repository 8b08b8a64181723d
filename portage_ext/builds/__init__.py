"""Builds for other machines: an environment made from a target, isolated builds, and a ledger of all jobs."""
