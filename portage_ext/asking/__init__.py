"""A client asks a build service, on another host or on this one, to build packages: the protocol and the connection."""
