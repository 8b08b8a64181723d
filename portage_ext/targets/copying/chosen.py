"""An allow-list decides which files may leave a host that is copied: those that builds need and that every user may read.

Files of installed packages may leave from directories of programs, and from elsewhere if they are as the package installed
them. Other files must be named here. Both sides use this module. docs/adr/0705 gives the reasons.
"""

from __future__ import annotations

import re
from typing import Final

from portage_ext.limits import builds as limits

_PROGRAMS: Final = frozenset(("bin", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr"))
VDB: Final = "var/db/pkg"
_VDB_FILES: Final = re.compile(
    r"BDEPEND|BUILD_ID|BUILD_TIME|CATEGORY|CBUILD|C(?:XX)?FLAGS|CHOST|CONTENTS|COUNTER|DEFINED_PHASES|DEPEND|DESCRIPTION|EAPI|"
    r"IDEPEND|INHERITED|IUSE|IUSE_EFFECTIVE|KEYWORDS|LDFLAGS|LICENSE|NEEDED|NEEDED\.ELF\.2|PDEPEND|PF|PKGUSE|PROPERTIES|"
    r"PROVIDES|RDEPEND|REQUIRES|RESTRICT|SIZE|SLOT|USE|repository|[A-Za-z0-9+_.-]+\.ebuild"
)
"""What resolving and merging read. environment.bz2 has variables of make.conf, so it is not here."""
USERS: Final = ("etc/passwd", "etc/group")
_FILES: Final = re.compile(
    r"etc/(?:csh\.env|ld\.so\.cache|ld\.so\.conf|ld\.so\.conf\.d/[^/]+|env\.d(?:/[^/]+){1,2}|profile\.env|python-exec/[^/]+|"
    r"sgml/[^/]+|xml/catalog|ssl/certs/[^/]+\.(?:crt|pem|[0-9]))|"
    r"usr/lib/locale/locale-archive|usr/lib[0-9x]*/gconv/gconv-modules\.cache|"
    r"usr/lib[0-9x]*/(?:gdk-pixbuf-2\.0/[^/]+/loaders\.cache|gio/modules/giomodule\.cache)|"
    r"usr/lib[0-9x]*/ghc-[^/]+/(?:[^/]+/)?package\.conf\.d/package\.cache|"
    r"usr/share/glib-2\.0/schemas/gschemas\.compiled|usr/share/mime/(?:[^/]+/)?[^/]+|"
    r"var/lib/portage/preserved_libs_registry"
)
"""Files that no package owns, because programs or pkg_postinst make them, and that builds read."""
_WALKED: Final = re.compile(
    r"(?:usr/)?(?:bin|lib|lib32|lib64|libx32|sbin)|usr/(?:include|libexec)|usr/[a-z0-9_]+-[a-z0-9_-]+|"
    r"etc/(?:env\.d|ld\.so\.conf\.d|python-exec|sgml|ssl/certs|xml)|usr/share/(?:glib-2\.0/schemas|mime)|var/lib/portage"
)
"""Directories in which files without an owner are looked for. In those of programs, symbolic links may leave."""
_SECRET: Final = re.compile(rb"://[^\s/?#@]*@|PRIVATE KEY-----")
_LOWEST_PERSON: Final = 1000
_NOBODY: Final = (65533, 65534)
_HASHLESS: Final = frozenset(("", "x", "*", "!"))


def may_come(path: str) -> bool:
    """Whether ``path``, relative to the root of the host, may be in a listing at all."""
    parts = path.split("/")
    plain = len(path) <= limits.COPY_PATH and "\0" not in path and not {"", ".", ".."} & set(parts)
    return plain and (is_program(path) or (parts[0] in ("etc", "var") and path not in ("etc/shadow", "etc/gshadow")))


def is_program(path: str) -> bool:
    """Whether a file of a package may leave although it was changed since: it is where programs are."""
    return path.split("/")[0] in _PROGRAMS and not f"{path}/".startswith("usr/local/")


def is_walked(directory: str) -> bool:
    """Whether files that no package owns may be in ``directory``, or below it."""
    parts = directory.split("/")
    return any(_WALKED.fullmatch("/".join(parts[:count])) for count in range(1, len(parts) + 1))


WALKED: Final = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "var/lib/portage")
"""The top directories of the walk."""


def is_named(path: str) -> bool:
    """Whether the regular file at ``path`` may leave although no package owns it."""
    return _FILES.fullmatch(path) is not None


def is_vdb_file(name: str) -> bool:
    """Whether the file ``name`` of an entry of the vdb may leave."""
    return _VDB_FILES.fullmatch(name) is not None


def has_secret(data: bytes) -> bool:
    """Whether ``data`` has a URL with a password, or a private key."""
    return _SECRET.search(data) is not None


def users(data: bytes) -> bytes:
    """The lines of /etc/passwd or /etc/group for users and groups of packages, without names of persons and hashes."""
    kept, names = [], set()
    for line in data.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[2].isdecimal() and _is_system(int(fields[2])):
            fields[1] = fields[1] if fields[1] in _HASHLESS else "x"
            names.add(fields[0])
            kept.append(fields)
    for fields in kept:
        if len(fields) == 7:
            fields[4] = ""
        elif len(fields) == 4:
            fields[3] = ",".join(name for name in fields[3].split(",") if name in names)
    return "".join(f"{':'.join(fields)}\n" for fields in kept).encode()


def _is_system(number: int) -> bool:
    return number < _LOWEST_PERSON or number in _NOBODY
