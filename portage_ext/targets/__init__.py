"""A target is the captured configuration and state of another host, so that this host can build packages that fit it."""
