"""Two releases are compared in the files that describe their build, their dependencies and their licence.

Archives are read but never unpacked. They are untrusted, so everything that is read has a limit.
"""

from __future__ import annotations

import bz2
import contextlib
import difflib
import gzip
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import zstandard

from portage_ext import limits, shown
from portage_ext.limits import repositories as bounds
from portage_ext.repositories.pypi.published.sdist import Bounded

_BUILD: Final = re.compile(
    r"configure\.(?:ac|in)|meson\.build|meson_options\.txt|meson\.options|CMakeLists\.txt|pyproject\.toml|setup\.(?:py|cfg)"
    r"|requirements[a-z_-]*\.txt|Cargo\.toml|go\.mod|package\.json|Makefile\.(?:am|PL)|Build\.PL|Gemfile|\.gitmodules"
    r"|[A-Za-z0-9_-]+\.(?:gemspec|cabal|opam|pc\.in)|build\.gradle|pom\.xml|dune-project"
)
_LICENCE: Final = re.compile(r"(?:COPYING|LICEN[CS]E)[A-Za-z0-9._-]*", re.I)
_DEEP: Final = 2
"""How many levels below the top directory are searched for build files; deeper files are examples and bundled projects."""
_ERRORS: Final = (
    tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, OverflowError,
    RecursionError, RuntimeError, NotImplementedError, zstandard.ZstdError,
)  # fmt: skip


class _UnreadableError(Exception):
    """An archive cannot be read; the message says why."""


def between(old: Sequence[Path], new: Sequence[Path]) -> Iterator[str]:
    """Yield lines for a person: the name of each file, then its ``-`` and ``+`` lines as in a diff."""
    try:
        before, now = _all(old), _all(new)
    except _UnreadableError as error:
        yield f"the releases cannot be compared: {error}"
        return
    lines = list(_differences(before, now))
    yield from lines[: bounds.BUMP_LINES]
    if len(lines) > bounds.BUMP_LINES:
        yield f"and {len(lines) - bounds.BUMP_LINES} more lines"
    if not lines:
        yield "no build file and no licence has changed"


def _differences(before: dict[str, str], now: dict[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) == now.get(name):
            continue
        if name not in now:
            yield f"{name} is gone"
        elif _LICENCE.fullmatch(name.rpartition("/")[2]):
            yield f"{name} {'has changed' if name in before else 'is new'}: read it"
        else:
            yield f"{name}{'' if name in before else ' is new'}:"
            changed = difflib.unified_diff(before.get(name, "").splitlines(), now[name].splitlines(), lineterm="", n=0)
            for line in changed:
                if not line.startswith(("---", "+++", "@@")) and line[1:].strip():
                    yield f"  {shown.line(line)[: bounds.BUMP_WIDTH]}"


def _all(archives: Sequence[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in archives:
        try:
            found |= _zip(path) if path.suffix == ".zip" else _tar(path)
        except _ERRORS as error:
            raise _UnreadableError(f"{path.name} cannot be read ({shown.line(str(error)) or type(error).__name__})") from error
    return found


def _wanted(path: str) -> str | None:
    """The path below the top directory of an archive if that file is compared; else None."""
    below = path.removeprefix("./").partition("/")[2]
    name = below.rpartition("/")[2]
    depth = below.count("/")
    return below if (_BUILD.fullmatch(name) and depth <= _DEEP) or (_LICENCE.fullmatch(name) and depth == 0) else None


def _tar(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with path.open("rb") as file, contextlib.closing(_stream(path.name, file)) as stream:
        bounded = Bounded(stream)
        archive = tarfile.open(fileobj=bounded, mode="r:")  # type: ignore[call-overload]  # noqa: SIM115 (its stream is closed)
        for number, member in enumerate(archive):
            bounded.begin()
            archive.members = []  # tarfile would keep every header that it has read
            if number > bounds.PYPI_MEMBERS:
                raise ValueError(f"it has more than {bounds.PYPI_MEMBERS} files")
            name = _wanted(member.name)
            if name is not None and member.isreg() and member.size <= bounds.PYPI_PYPROJECT and len(found) < bounds.BUMP_FILES:
                extracted = archive.extractfile(member)
                found[name] = extracted.read(member.size).decode("utf-8", "replace") if extracted is not None else ""
    return found


def _stream(name: str, file: IO[bytes]) -> Any:
    """Open the decompressed tar stream of a file with that name."""
    if name.endswith((".gz", ".tgz")):
        return gzip.GzipFile(fileobj=file)
    if name.endswith((".bz2", ".tbz2")):
        return bz2.BZ2File(file)
    if name.endswith((".xz", ".txz", ".lzma")):
        return lzma.LZMAFile(file)
    if name.endswith(".zst"):
        return zstandard.ZstdDecompressor(max_window_size=limits.MIB * 128).stream_reader(file)
    return file


def _zip(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with zipfile.ZipFile(path) as archive:
        for number, member in enumerate(archive.infolist()):
            if number > bounds.PYPI_MEMBERS:
                raise ValueError(f"it has more than {bounds.PYPI_MEMBERS} files")
            name = _wanted(member.filename)
            if name is not None and member.file_size <= bounds.PYPI_PYPROJECT and len(found) < bounds.BUMP_FILES:
                with archive.open(member) as file:
                    found[name] = file.read(bounds.PYPI_PYPROJECT).decode("utf-8", "replace")
    return found
