"""Ebuilds are made from releases on a Python index. Decisions are pure functions, and nothing that was fetched is ever run."""
