"""PKGDIR on disk: found, read, signed, indexed, cleaned."""
