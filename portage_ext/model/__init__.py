"""Values that all rooms share. They use only the standard library and do no I/O."""

from portage_ext.model.cpv import Cpv
from portage_ext.model.digest import INDEXED, STRONG, WEAK, Digest, Hasher, hexdigests
from portage_ext.model.entry import GPKG_SUFFIX, PACKAGE_SUFFIXES, XPAK_SUFFIXES, IndexEntry

__all__ = [
    "GPKG_SUFFIX",
    "INDEXED",
    "PACKAGE_SUFFIXES",
    "STRONG",
    "WEAK",
    "XPAK_SUFFIXES",
    "Cpv",
    "Digest",
    "Hasher",
    "IndexEntry",
    "hexdigests",
]
