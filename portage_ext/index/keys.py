"""The names in an index: those that Portage's reader knows, those that are ours, and one name for each meaning.

Portage uses other names for three keys internally than in the text, and its reader accepts both. No known reader uses keys that
are not listed here (``binarytree`` and ``PackageIndex`` of every supported Portage).
"""

from __future__ import annotations

from typing import Final

from portage_ext.model import STRONG
from portage_ext.model.contract import KEY as CONTRACT

IN_TEXT: Final = {"DESCRIPTION": "DESC", "_mtime_": "MTIME", "repository": "REPO"}
"""Portage's inner names, and how the text calls the same."""
INHERITED: Final = ("CHOST", "REPO")
"""An entry without one has the header's."""
COMMANDS: Final = frozenset({"BASE_URI", "FETCHCOMMAND", "PKGINDEX_URI", "RESUMECOMMAND"})
"""Portage's reader knows them in an entry, but no index has a reason to say them: how to fetch is up to this host."""
ENTRY: Final = frozenset((
    "BDEPEND", "BUILD_ID", "BUILD_TIME", "CHOST", "CPV", "DEFINED_PHASES", "DEPEND", "DESC", "EAPI", "IDEPEND", "IUSE",
    "KEYWORDS", "LICENSE", "MD5", "MTIME", "PATH", "PDEPEND", "PROPERTIES", "PROVIDES", "RDEPEND", "REPO", "REQUIRES",
    "RESTRICT", "SHA1", "SIZE", "SLOT", "USE", "USER_PATCHES", *STRONG, CONTRACT,
))  # fmt: skip
"""What an entry may say."""
ABOUT_THE_INDEX: Final = frozenset({"DOWNLOAD_TIMESTAMP", "PACKAGES", "PAGES", "TIMESTAMP", "TTL", "URI"})
"""What a header says of the index itself: where its packages are, what binds its pages, and when to look again."""
_HEADER: Final = frozenset((
    "ACCEPT_KEYWORDS", "ACCEPT_LICENSE", "ACCEPT_PROPERTIES", "ACCEPT_RESTRICT", "ARCH", "BUILDER", "CBUILD", "CHOST",
    "CONFIG_PROTECT", "CONFIG_PROTECT_MASK", "ELIBC", "FEATURES", "GENTOO_MIRRORS", "INSTALL_MASK", "IUSE_IMPLICIT", "KERNEL",
    "PROFILE", "REPO", "REPO_REVISIONS", "USE", "USERLAND", "USE_EXPAND", "USE_EXPAND_HIDDEN", "USE_EXPAND_IMPLICIT",
    "USE_EXPAND_UNPREFIXED", "VERSION",
))  # fmt: skip
_HEADER_VALUES: Final = "USE_EXPAND_VALUES_"


def describes_builder(key: str) -> bool:
    """Whether ``key`` (as in the text) is one by which a header says how the packages were built."""
    return key in _HEADER or key.startswith(_HEADER_VALUES)


def in_header(key: str) -> bool:
    """Whether ``key`` (as in the text) means something in a header."""
    return key in ABOUT_THE_INDEX or describes_builder(key)
