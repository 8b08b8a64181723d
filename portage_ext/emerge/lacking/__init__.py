"""Packages that emerge would compile and should not: they wait for a binary, or are built elsewhere on request."""
