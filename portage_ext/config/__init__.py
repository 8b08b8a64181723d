"""Readers of the administrator's configuration files; each takes the root below which it reads."""
