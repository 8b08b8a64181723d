"""Looking at emerges that run in other processes."""
