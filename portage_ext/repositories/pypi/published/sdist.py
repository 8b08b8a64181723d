"""A source archive is never unpacked; only pyproject.toml, PKG-INFO and the file names in its single directory are read.

Every read, seek and count has a limit, so a header that announces gigabytes or a decompression bomb does no harm.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from dataclasses import dataclass
from typing import IO, Any, Final

from portage_ext.errors.pypi import InvalidArchiveError
from portage_ext.limits import repositories as limits

_TOP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}")
_COMPILED: Final = (".c", ".cc", ".cpp", ".cxx", ".f", ".f90", ".pyx", ".rs")
_WANTED: Final = {"pyproject.toml": limits.PYPI_PYPROJECT, "PKG-INFO": limits.PYPI_METADATA}


@dataclass(frozen=True, slots=True)
class Sdist:
    """The content of a source archive: the name of its directory, the two files if they exist, whether it is built with cargo,
    and whether it has source files in a compiled language."""

    directory: str
    pyproject: bytes | None
    pkg_info: bytes | None
    cargo: bool
    compiled: bool


class Bounded:
    """A decompressed stream for tarfile, which can only be read forward, in small pieces, and up to a limit."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.begin()

    def begin(self) -> None:
        """Reset the limit for the next member. Without a limit per member, the list of holes in a sparse file could be
        endless."""
        self._left = 2 * limits.PYPI_TAR_READ

    def read(self, size: int = -1) -> bytes:
        self._left -= size
        if not 0 <= size <= limits.PYPI_TAR_READ or self._left < 0:
            raise tarfile.ReadError(f"a header announces {size} bytes")
        data: bytes = self._stream.read(size)
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        if whence or position > limits.PYPI_UNPACKED:
            raise tarfile.ReadError(f"it unpacks to more than {limits.PYPI_UNPACKED} bytes")
        return int(self._stream.seek(position))

    def tell(self) -> int:
        return int(self._stream.tell())


def read(file: IO[bytes], project: str) -> Sdist:
    """Read the relevant content of a .tar.gz. Raises InvalidArchiveError."""
    tops: set[str] = set()
    found: dict[str, bytes] = {}
    cargo = compiled = False
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            bounded = Bounded(stream)
            archive = tarfile.open(fileobj=bounded, mode="r:")  # type: ignore[call-overload]  # noqa: SIM115 (its stream is closed)
            for number, member in enumerate(archive):
                bounded.begin()
                if number > limits.PYPI_MEMBERS:
                    raise InvalidArchiveError(project, f"it has more than {limits.PYPI_MEMBERS} files")
                archive.members = []  # tarfile would keep every header that it has read
                top, _, below = member.name.removeprefix("./").partition("/")
                if top in ("", "."):
                    continue
                tops.add(top)
                # Deeper Cargo.toml files are examples and test data.
                cargo = cargo or (below.rpartition("/")[2] == "Cargo.toml" and below.count("/") < 3)
                compiled = compiled or below.endswith(_COMPILED)
                if below in _WANTED and below not in found and member.isreg():
                    if member.size > _WANTED[below]:
                        raise InvalidArchiveError(project, f"its {below} has {member.size} bytes")
                    extracted = archive.extractfile(member)
                    found[below] = extracted.read(member.size) if extracted is not None else b""
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, OverflowError, RecursionError) as error:
        raise InvalidArchiveError(project, f"{type(error).__name__}: {str(error)[:200]}") from error
    directory = next(iter(tops), "")
    if len(tops) != 1 or not _TOP.fullmatch(directory):
        raise InvalidArchiveError(project, "not everything in it is in one directory of a plain name")
    return Sdist(directory, found.get("pyproject.toml"), found.get("PKG-INFO"), cargo, compiled)
