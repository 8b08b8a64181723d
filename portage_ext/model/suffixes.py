"""The suffixes of package files, by which Portage recognises their format (portage.const, make.conf(5) BINPKG_FORMAT)."""

from __future__ import annotations

from typing import Final

GPKG_SUFFIX: Final = ".gpkg.tar"
XPAK_SUFFIXES: Final = (".tbz2", ".xpak")
PACKAGE_SUFFIXES: Final = (*XPAK_SUFFIXES, GPKG_SUFFIX)
