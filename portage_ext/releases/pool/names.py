"""A name in the pool is bound to the bytes of the file: the number in it comes from the digest in the index.

A client accepts a package only under a path where Portage itself would store it, ``CATEGORY/PN/PF-NUMBER.gpkg.tar``
(trust/entries). Portage takes BUILD_ID from the metadata, so NUMBER is free (quickpkg makes use of that, too). It is 10 to the
power of 19 plus the first 64 bits of BLAKE2B, so it always has 20 digits. Two packages whose digests agree in these bits are
told apart by the whole digest, and the second is refused (pool/files).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final

from portage_ext.errors import InvalidCpvError, InvalidIndexError
from portage_ext.model.cpv import Cpv
from portage_ext.model.digest import STRONG
from portage_ext.records import record, replace
from portage_ext.releases import blocks
from portage_ext.releases.blocks import Block, value
from portage_ext.releases.contents import Contents

_BASE: Final = 10**19
_BITS: Final = 16
"""Hexadecimal digits of the digest."""
_STRONG: Final = tuple(name.encode() + b": " for name in STRONG)
_SUFFIXES: Final = {".gpkg.tar": ".gpkg.tar", ".xpak": ".xpak", ".tbz2": ".xpak"}
"""The suffix of a file, and what Portage calls a file of that format that has a number."""


@record(eq=False)
class Named:
    """An index whose paths are names in the pool, and the path that each file has where it comes from."""

    contents: Contents
    sources: Mapping[str, str]


def number(digest: str) -> int:
    """The number in the name of a file with this digest, in hexadecimal. Raises ValueError."""
    return _BASE + int(digest[:_BITS], 16)


def name(path: str, text: bytes, where: str) -> str:
    """The name in the pool for the entry ``text``, whose file is at ``path``. Raises InvalidIndexError."""
    digest = next((found for key in _STRONG if (found := value(text, key))), b"").decode("ascii", "replace")
    cpv = value(text, b"CPV: ").decode("utf-8", "replace")
    suffix = next((one for one in _SUFFIXES if path.endswith(one)), "")
    if not digest[:_BITS].isalnum():
        raise InvalidIndexError(where, f"the entry of {path} has neither {' nor '.join(STRONG)}")
    try:
        bound = number(digest)
    except ValueError:
        raise InvalidIndexError(where, f"the entry of {path} has a digest that is none") from None
    category, _, pf = cpv.partition("/")
    directory = path.rpartition("/")[0]
    pn = directory.removeprefix(f"{category}/")
    # Of a file where Portage puts it, the directory already says where the version begins.
    if not (suffix and path.startswith(f"{directory}/{pf}-") and pf.startswith(f"{pn}-") and directory == f"{category}/{pn}"):
        try:
            directory = Cpv.parse(cpv).cp
        except InvalidCpvError as error:
            raise InvalidIndexError(where, f"the entry of {path}: {error}") from error
        if not suffix:
            raise InvalidIndexError(where, f"{path} is not the name of a package")
    return f"{directory}/{pf}-{bound}{_SUFFIXES[suffix]}"


def named(index: Contents, where: str) -> Named:
    """``index`` with names in the pool. Of files with the same bytes, the last one is listed. Raises InvalidIndexError."""
    entries: dict[str, bytes] = {}
    sources: dict[str, str] = {}
    for path, text in index.entries.items():
        new = name(path, text, where)
        sources[new] = path
        entries[new] = text if new == path else _moved(text, path, new)
    if all(new == path for new, path in sources.items()):
        return Named(index, sources)
    header = {**index.header, "PACKAGES": str(len(entries))} if "PACKAGES" in index.header else index.header
    body = b"".join(text.strip(b"\n") + b"\n\n" for text in entries.values())
    return Named(replace(index, header=header, entries=entries, text=body), sources)


def named_block(text: bytes, where: str) -> tuple[Block, Mapping[str, str]]:
    """The block ``text`` of a PKGDIR with names in the pool, and the path of each. Raises InvalidIndexError.

    The C module ``_look`` does this for a block as `portage-ext reindex` writes it, and leaves any other block to the rest.
    """
    try:
        from portage_ext.releases.pool._look import named as usual
    except ImportError:
        usual = _unusual
    quick = usual(text)
    if quick is not None:
        body, record, pairs = quick
        with contextlib.suppress(UnicodeDecodeError):
            sources = {new.decode(): path.decode() for new, path in pairs}
            if len(sources) == len(set(sources.values())) == len(pairs):
                return Block(body, blocks.digest(body), record), sources
    part = named(Contents({}, blocks.split(text, where), text), where)
    return blocks.made(part.contents.body, part.contents.entries), part.sources


def _unusual(text: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]] | None:
    return None


def _moved(text: bytes, path: str, new: str) -> bytes:
    """The entry with another path."""
    old, moved = f"PATH: {path}".encode(), f"PATH: {new}".encode()
    if value(text, b"PATH: ") == path.encode():
        at = 0 if text.startswith(old) else text.index(b"\n" + old) + 1
        return text[:at] + moved + text[at + len(old) :]
    # Portage's default (contents.parse), or a path in another spelling of the line.
    lines = [line for line in text.split(b"\n") if not line.startswith(b"PATH:")]
    return b"\n".join([*lines, moved])
