"""Toolchain first inside emerge: its merge list, and what it is about to unmerge, are checked against symbol contracts."""
