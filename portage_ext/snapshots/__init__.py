"""Snapshots of the system before emerge changes it: who can make them here, those that were made, and how old ones go."""
