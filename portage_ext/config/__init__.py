"""Readers of what an administrator writes; every reader takes the root to read under."""
