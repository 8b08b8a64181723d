"""What an index publishes, read within bounds and never run: pages, wheels, source archives, metadata."""
