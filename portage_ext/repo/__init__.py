"""A binary package repository on disk: scanning PKGDIR, locking, state."""
