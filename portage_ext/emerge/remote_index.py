"""A remote Packages index in which only the packages that this host accepts become entries.

Portage parses every entry of a binhost's index, about thirty thousand, into dictionaries. This class reads the text in chunks,
skips entries of other packages by their CPV line, and gives only the rest to Portage's own parser. Portage still caches the
whole index on disk, so that an edit of package.env takes effect at once and without a download.
"""

from __future__ import annotations

import errno
import inspect
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any, Final, cast

from portage.exception import InvalidData
from portage.getbinpkg import PackageIndex
from portage.versions import _pkg_str

from portage_ext.emerge import messages
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.limits import INDEX_ENTRY_SIZE, INDEX_READ_CHUNK

if TYPE_CHECKING:
    from portage_ext.emerge.whitelist import Whitelist

_INDEX: Final = "portage.getbinpkg:PackageIndex"
_READER: Final = ("portage.dbapi.bintree:binarytree._populate_remote_repo",)
EXPECTED: Final[tuple[Expectation, ...]] = (
    *(
        Function(f"{_INDEX}.{name}", ("self", "pkgfile"), callers=_READER)
        for name in ("read", "readHeader", "readBody", "write")
    ),
    Function(f"{_INDEX}._writepkgindex", ("self", "pkgfile", "items"), callers=(f"{_INDEX}.write",)),
    Names(f"{_INDEX}.__init__", ("packages", "header")),
    Function("portage.versions:_pkg_str.__init__", ("self", "cpv"), ("metadata", "settings", "db")),
)


class Filter:
    """Which entries of one binrepo's index are wanted: first by name, on bytes; then exactly, by Portage's own matching."""

    def __init__(
        self, whitelist: Whitelist, binrepo: str, tree: Any, held_back: list[tuple[Any, str, Whitelist]] | None
    ) -> None:
        self._whitelist = whitelist
        self.binrepo = binrepo
        self._tree = tree
        self._held_back = held_back
        self.everything = whitelist.run.on
        self.cpv_line = re.compile(rb"\nCPV: ?(?:" + alternatives(whitelist.listed) + rb")-[^\n]*")

    def wants(self, entry: dict[str, str]) -> bool:
        """Whether the parsed ``entry`` is a candidate."""
        try:
            cpv = _pkg_str(entry["CPV"], metadata=entry, settings=self._tree.settings, db=self._tree.dbapi)
        except InvalidData:
            messages.line(f"[{self.binrepo}] offers a package with an invalid name, which is ignored: {entry['CPV']!r}")
            return False
        try:
            accepted = self._whitelist.accepts(cpv, self.binrepo)
        except Exception as error:  # noqa: BLE001 - Portage's own behaviour instead
            messages.failed("choosing", error, str(cpv))
            return self.everything
        if accepted:
            return True
        if self._held_back is not None and self.everything:
            self._held_back.append((cpv, self.binrepo, self._whitelist))
        return False


def alternatives(names: Iterable[str]) -> bytes:
    """A pattern for package names and wildcards, by category: fast enough for thousands."""
    categories: dict[str, list[str]] = {}
    for name in sorted(names):
        category, _, package = name.partition("/")
        categories.setdefault(category, []).append(package)
    pattern = "|".join(
        _wildcard(category) + "/(?:" + "|".join(map(_wildcard, packages)) + ")" for category, packages in categories.items()
    )
    return pattern.encode() or b"(?!)"


def _wildcard(text: str) -> str:
    # As in Portage, a star never matches a slash; otherwise a line of slashes would take hours.
    return re.escape(text).replace(r"\*", r"[^\n/]*")


class FilteredPackageIndex(PackageIndex):  # type: ignore[misc]
    """Portage's reader and writer of one index, with a filter. ``packages`` holds the wanted entries only."""

    def __init__(self, index: PackageIndex, wanted: Filter) -> None:
        self.__dict__.update(index.__dict__)
        self._packages: list[dict[str, str]] = self.__dict__.pop("packages")
        self._filter = wanted
        self._unread: IO[bytes] | None = None
        self._body: IO[bytes] | None = None

    @property
    def packages(self) -> list[dict[str, str]]:
        """The wanted entries. Those of the cached copy are read when first asked for: a newer index may take its place."""
        if self._unread is not None:
            unread, self._unread = self._unread, None
            try:
                with unread:
                    self._read_entries(unread, None)
            except OSError as error:  # Portage expects none here
                messages.line(f"ignoring the cached index of [{self._filter.binrepo}], which cannot be read: {error}")
        return self._packages

    def read(self, pkgfile: Any) -> None:
        """Read the header of the cached copy, an open text file, and remember where its entries begin."""
        self.readHeader(_decoded_lines(pkgfile.buffer))
        position = pkgfile.buffer.tell()
        self._unread = open(os.dup(pkgfile.fileno()), "rb")  # noqa: SIM115 - closed when it has been read
        self._unread.seek(position)

    def readBody(self, pkgfile: Any) -> None:  # noqa: N802 - Portage's name
        """Read what follows the header of a downloaded index; ``pkgfile`` yields decoded lines."""
        self._body = tempfile.TemporaryFile(prefix="portage-ext.")  # noqa: SIM115 - closed by write, or with this object
        self._read_entries(_bytes_below(pkgfile), self._body)

    def _read_entries(self, raw: IO[bytes], copy: IO[bytes] | None) -> None:
        text = b"\n\n".join(self._wanted_blocks(raw, copy)).decode("utf-8", "replace")
        super().readBody(io.StringIO(text, newline="\n"))
        self._packages[:] = [entry for entry in self._packages if self._filter.wants(entry)]

    def _wanted_blocks(self, raw: IO[bytes], copy: IO[bytes] | None) -> Iterator[bytes]:
        rest = b"\n"  # every entry starts behind a line's end
        while chunk := raw.read(INDEX_READ_CHUNK):
            if copy is not None:
                copy.write(chunk)
            rest += chunk
            end = rest.rfind(b"\n\n")
            if end >= 0:
                yield from self._choose(rest[: end + 1])
                rest = rest[end + 1 :]
            elif len(rest) > INDEX_ENTRY_SIZE:
                # Portage reports an OSError and goes on without this binhost.
                raise OSError(errno.EFBIG, f"an entry of the index is larger than {INDEX_ENTRY_SIZE} bytes")
        yield from self._choose(rest)

    def _choose(self, blocks: bytes) -> Iterator[bytes]:
        if self._filter.everything:
            if blocks.strip():
                yield blocks.strip(b"\n")
            return
        for match in self._filter.cpv_line.finditer(blocks):
            start = blocks.rfind(b"\n\n", 0, match.start() + 1)
            end = blocks.find(b"\n\n", match.end())
            yield blocks[max(start, 0) : end if end >= 0 else len(blocks)].strip(b"\n")

    def write(self, pkgfile: Any) -> None:
        """Write the whole index, as it was downloaded, below the header."""
        if self._body is None:
            super().write(pkgfile)
            return
        self._writepkgindex(pkgfile, [(key, self.header[key]) for key in sorted(self.header) if self.header[key]])
        pkgfile.flush()
        with closing(self._body):
            self._body.seek(0)
            shutil.copyfileobj(self._body, pkgfile.buffer, INDEX_READ_CHUNK)
        self._body = None


def _decoded_lines(raw: IO[bytes]) -> Iterator[str]:
    for line in raw:
        yield line.decode("utf-8", "replace")


def _bytes_below(lines: Any) -> IO[bytes]:
    """The binary file below ``codecs.iterdecode``, positioned after the last line; else the lines, encoded again."""
    below = inspect.getgeneratorlocals(lines).get("iterator") if inspect.isgenerator(lines) else None
    if below is not None and hasattr(below, "read"):
        return cast("IO[bytes]", below)
    return io.BufferedReader(_Encoded(iter(lines)))


class _Encoded(io.RawIOBase):
    """Decoded lines as a binary file again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            line = next(self._lines, None)
            if line is None:
                return 0
            self._rest = line.encode()
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
