"""The files of all releases: each is in ``TREE/pool`` once, under a name bound to its bytes; a release only names it."""
