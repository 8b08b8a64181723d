"""What phase hooks and Portage's hook folders start: one file an entry, which parses, calls, and makes the exit status."""
