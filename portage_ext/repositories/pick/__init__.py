"""``sync-type = pick``: a repository with the packages that an administrator has listed from an overlay, and their
dependencies."""
