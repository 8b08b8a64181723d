"""Values that every stage shares. Standard library only, and no I/O."""

from portage_ext.model.cpv import Cpv
from portage_ext.model.digest import STRONG, WEAK, Digest, Hasher, hexdigests
from portage_ext.model.entry import IndexEntry

__all__ = ["STRONG", "WEAK", "Cpv", "Digest", "Hasher", "IndexEntry", "hexdigests"]
