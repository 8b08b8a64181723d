"""The layers of environments: files that are stored once, shared, checked before use, and removed when they are old."""
