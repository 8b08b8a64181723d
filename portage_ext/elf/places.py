"""The directories of public libraries, and the meaning of RUNPATH. Works on names only and reads no file.

All paths are absolute as the running system sees them, an offset prefix (EPREFIX) included.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

DEFAULT: Final = tuple(
    f"{base}/lib{suffix}"
    for suffix in ("64", "", "32", "x32", "n32", "64/lp64d", "64/lp64", "32/ilp32d")
    for base in ("", "/usr")
)
"""The default directories of the loader (ld.so(8)) for all word sizes; the objects in them tell the word size."""
_PUBLIC: Final = re.compile(
    r"(?:/usr(?:/local)?)?/lib(?:64|32|x32|n32)?(?:/(?:lp64d?|ilp32d?|[a-z0-9_]+-linux-[a-z0-9]+))?(?:/glibc-hwcaps/[^/]+)?"
    r"|/usr/lib(?:64|32)?/gcc(?:-lib)?/[^/]+/[^/]+(?:/(?:32|64|x32|n32))?"
)
_DEBUG: Final = re.compile(r"/usr/lib/debug(?:/|$)")
_GCC: Final = re.compile(
    r"(?P<base>/usr/lib(?:64|32)?/gcc(?:-lib)?/(?P<chost>[^/]+)/(?P<version>[^/]+))(?:/(?:32|64|x32|n32))?"
)


def within_prefix(path: str, eprefix: str) -> str:
    """``path`` as it would be without an offset prefix."""
    return path[len(eprefix) :] if eprefix and path.startswith(eprefix + "/") else path


def is_public(directory: str, eprefix: str = "") -> bool:
    """Whether libraries in it are public: in the loader's own directories or those of compilers."""
    return _PUBLIC.fullmatch(within_prefix(directory, eprefix)) is not None


def is_debug(path: str, eprefix: str = "") -> bool:
    """Whether ``path`` has split debug information, which looks like an object but is not loaded."""
    return _DEBUG.match(within_prefix(path, eprefix)) is not None


def is_library(name: str) -> bool:
    """Whether a file of this name without a soname may be linked to by its file name. Plugins are not."""
    return name.startswith("lib") and ".so" in name


def gcc_profile(directory: str, eprefix: str = "") -> str | None:
    """The profile of gcc-config that has its libraries in ``directory``, as CHOST-VERSION."""
    match = _GCC.fullmatch(within_prefix(directory, eprefix))
    return f"{match['chost']}-{match['version']}" if match else None


def expand(search: tuple[str, ...], origin: str, category: str) -> Iterator[str]:
    """RUNPATH of an object in the directory ``origin``, as absolute directories (ld.so(8), "Dynamic string tokens")."""
    lib = "lib64" if category.endswith("_64") else "lib"
    for entry in search:
        path = entry
        for token, value in (("ORIGIN", origin), ("LIB", lib)):
            path = path.replace(f"${{{token}}}", value).replace(f"${token}", value)
        if path.startswith("/") and "$" not in path:
            yield posixpath.normpath("/" + path.lstrip("/"))
