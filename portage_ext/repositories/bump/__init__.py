"""Newer releases of existing packages, found by nvchecker wherever they are published. No new package is ever created."""
