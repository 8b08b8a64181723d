"""Ebuilds made from what a Python index publishes. Decisions are functions of values; nothing that was fetched is ever run."""
