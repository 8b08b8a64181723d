"""Builds for other machines: an environment made from a target, one isolated build at a time, and a ledger of all of them."""
