"""An allow-list decides which files and variables may leave a captured host: those that decide how a package is built.

Both sides use it. The captured host sends nothing else, and the receiving host accepts nothing else, because a capture is
foreign data. These are deliberately not on the list: binrepos.conf and repos.conf (their URLs may have passwords), gnupg,
postsync.d, repo.postsync.d, mirrors, modules, and the file make.conf. From make.conf and from the env files that package.env
names, only the variables below are sent, with the values that Portage has read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9+_.@:-]{0,127}"
"""One component of a path. It cannot begin with a dot or a dash, or end with ``~`` (Portage ignores backup files too)."""
_ATOM_FILES: Final = (
    "accept_keywords", "accept_restrict", "bashrc", "env", "keywords", "license", "mask", "properties", "provided", "unmask",
    "use", "use.force", "use.mask", "use.stable.force", "use.stable.mask",
)  # fmt: skip
_FILES: Final = re.compile(
    "|".join(
        (
            rf"etc/portage/package\.(?:{'|'.join(map(re.escape, _ATOM_FILES))})(?:/{_NAME}){{0,4}}",
            rf"etc/portage/(?:bashrc|categories|license_groups|profile|savedconfig|sets|patches)(?:/{_NAME}){{0,6}}",
            rf"etc/portage/env/{_NAME}/{_NAME}(?:/{_NAME})?",  # bashrc files of single packages (portage(5))
            r"etc/portage/sets\.conf",
            r"var/lib/portage/world(?:_sets)?",
        )
    )
)
"""Allowed paths below the root of a host; portage(5) explains each of them."""

VARIABLES: Final = frozenset(
    (
        "ABI_MIPS", "ABI_PPC", "ABI_S390", "ABI_X86", "ACCEPT_CHOSTS", "ACCEPT_KEYWORDS", "ACCEPT_LICENSE",
        "ACCEPT_PROPERTIES", "ACCEPT_RESTRICT", "ADAFLAGS", "AR", "AS", "ASFLAGS", "BINPKG_COMPRESS", "BINPKG_COMPRESS_FLAGS",
        "BINPKG_FORMAT", "CBUILD", "CC", "CCASFLAGS", "CFLAGS", "CHOST", "COLLISION_IGNORE", "COMMON_FLAGS",
        "CONFIG_PROTECT", "CONFIG_PROTECT_MASK", "CPP", "CPPFLAGS", "CTARGET", "CXX", "CXXFLAGS", "DFLAGS", "EXTRA_ECONF",
        "F77", "F77FLAGS", "FC", "FCFLAGS", "FEATURES", "FFLAGS", "GOAMD64", "GOFLAGS", "INSTALL_MASK", "LC_MESSAGES", "LD",
        "LDFLAGS", "LINGUAS", "MYCMAKEARGS", "NM", "OBJCFLAGS", "OBJCOPY", "OBJCXXFLAGS", "OBJDUMP", "PKG_INSTALL_MASK",
        "PKG_CONFIG", "PORTAGE_COMPRESS", "PORTAGE_COMPRESS_FLAGS", "PORTAGE_DOCOMPRESS_SIZE_LIMIT", "RANLIB", "READELF",
        "RUSTFLAGS", "STRIP", "STRINGS", "UNINSTALL_IGNORE", "USE", "VALAFLAGS",
    )
)  # fmt: skip
"""Variables of make.conf and of env files that decide what a package contains (make.conf(5)). The names in USE_EXPAND are
added. MAKEOPTS and other variables that only change how fast or where a package is built are not included."""

_USE_EXPAND: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_SECRET: Final = re.compile(r"://[^\s/?#@]*@")


def is_allowed(path: str) -> bool:
    """Whether the file at ``path``, relative to the host's root, may be sent and accepted."""
    return len(path) <= 512 and _FILES.fullmatch(path) is not None


def is_use_expand(name: str) -> bool:
    """Whether ``name`` can be the name of a USE_EXPAND variable, which the profile defines."""
    return _USE_EXPAND.fullmatch(name) is not None


def variables(values: Mapping[str, str], use_expand: Collection[str]) -> dict[str, str]:
    """The ``values`` that may leave the host, by name. A value that contains a URL with a user or password is left out."""
    wanted = VARIABLES | {name for name in use_expand if is_use_expand(name)}
    return {
        name: value
        for name, value in sorted(values.items())
        if name in wanted and isinstance(value, str) and not _SECRET.search(value)
    }
