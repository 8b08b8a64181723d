"""Snapshots of the system before emerge changes it: the programs that make them, the record of them, and the retention."""
