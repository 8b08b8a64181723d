"""What happens without a person: marks, the log of runs, what a sync brought."""
