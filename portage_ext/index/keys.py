"""Only known keys are used in an index, those of Portage's reader and our own, and each meaning has one name.

Portage uses other names for three keys internally than in the text, and its reader accepts both. No known reader uses keys that
are not listed here (``binarytree`` and ``PackageIndex`` of every supported Portage).
"""

from __future__ import annotations

from typing import Final

from portage_ext.model import STRONG
from portage_ext.model.contract import KEY as CONTRACT

IN_TEXT: Final = {"DESCRIPTION": "DESC", "_mtime_": "MTIME", "repository": "REPO"}
"""Portage's internal names, and the names of the same keys in the text."""
INHERITED: Final = ("CHOST", "REPO")
"""Keys for which an entry without a value uses the value in the header."""
COMMANDS: Final = frozenset({"BASE_URI", "FETCHCOMMAND", "PKGINDEX_URI", "RESUMECOMMAND"})
"""Keys that Portage's reader accepts in an entry, but that are always removed: this host decides how to fetch."""
ENTRY: Final = frozenset((
    "BDEPEND", "BUILD_ID", "BUILD_TIME", "CHOST", "CPV", "DEFINED_PHASES", "DEPEND", "DESC", "EAPI", "IDEPEND", "IUSE",
    "KEYWORDS", "LICENSE", "MD5", "MTIME", "PATH", "PDEPEND", "PROPERTIES", "PROVIDES", "RDEPEND", "REPO", "REQUIRES",
    "RESTRICT", "SHA1", "SIZE", "SLOT", "USE", "USER_PATCHES", *STRONG, CONTRACT,
))  # fmt: skip
"""The keys that an entry may have."""
ABOUT_THE_INDEX: Final = frozenset({"DOWNLOAD_TIMESTAMP", "PACKAGES", "PAGES", "TIMESTAMP", "TTL", "URI"})
"""The header keys that describe the index itself: where its packages are, digests of its pages, and when to fetch it again."""
_HEADER: Final = frozenset((
    "ACCEPT_KEYWORDS", "ACCEPT_LICENSE", "ACCEPT_PROPERTIES", "ACCEPT_RESTRICT", "ARCH", "BUILDER", "CBUILD", "CHOST", "CONFIG",
    "CONFIG_PROTECT", "CONFIG_PROTECT_MASK", "DELTAS", "ELIBC", "FEATURES", "GENTOO_MIRRORS", "INSTALL_MASK", "IUSE_IMPLICIT",
    "KERNEL", "PROFILE", "PROVENANCE", "REPO", "REPO_REVISIONS", "SBOM", "USE", "USERLAND", "USE_EXPAND", "USE_EXPAND_HIDDEN",
    "USE_EXPAND_IMPLICIT", "USE_EXPAND_UNPREFIXED", "VERSION",
))  # fmt: skip
_HEADER_VALUES: Final = "USE_EXPAND_VALUES_"


def describes_builder(key: str) -> bool:
    """Whether ``key`` (its name in the text) is a header key that describes how the packages were built."""
    return key in _HEADER or key.startswith(_HEADER_VALUES)


def in_header(key: str) -> bool:
    """Whether ``key`` (its name in the text) has a meaning in a header."""
    return key in ABOUT_THE_INDEX or describes_builder(key)
