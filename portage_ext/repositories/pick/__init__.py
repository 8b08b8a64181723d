"""``sync-type = pick``: the packages of an overlay that an administrator has listed, and what they need."""
