"""The daily update as one command: the result of each step is saved, so the next run continues where the last one stopped."""
