"""Releases of a binhost: made, passed through gates, tried out, mirrored and listed."""
