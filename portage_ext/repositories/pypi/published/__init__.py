"""Everything that an index publishes is read with limits and never run: pages, wheels, source archives, metadata."""
