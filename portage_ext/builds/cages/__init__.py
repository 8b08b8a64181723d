"""A cage: the isolated environment in which one build runs, its layers, and what is copied out of it."""
