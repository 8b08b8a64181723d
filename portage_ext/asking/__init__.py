"""A client asks a service on another host, or on this one, to build packages: what both sides say, and the way there."""
