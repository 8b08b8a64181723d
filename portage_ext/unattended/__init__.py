"""Unattended work: marks, the log of runs, what a sync has changed."""
