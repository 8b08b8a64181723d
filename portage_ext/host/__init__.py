"""Portage's view of this system, as values."""
