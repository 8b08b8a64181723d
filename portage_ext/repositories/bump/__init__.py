"""Newer releases of packages that there are, found by nvchecker, wherever they are published. A new package is never made."""
