"""The statements of a release: one line for each package, the same for the same packages, and read again only for new ones."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

from portage_ext import limits
from portage_ext.errors import PackageError
from portage_ext.errors.provenance import InvalidProvenanceError
from portage_ext.gpkg.describe import values_of
from portage_ext.model import STRONG, IndexEntry
from portage_ext.model.provenance import HOST, KEY, Record, Statement, record, statement
from portage_ext.releases.contents import Contents


def document(new: Contents, pkgdir: Path, before: bytes, warn: Callable[[str], None]) -> bytes:
    """The statements about all packages of ``new``, whose files are in ``pkgdir``. ``before`` are those of the live release.

    ``warn`` is called for a record that cannot be read; the package then has a statement without one. Raises OSError.
    """
    known = {one.path: (one, line) for one, line in _known(before)}
    lines: list[bytes] = []
    for path in sorted(new.entries):
        entry = new.entry(path)
        digest = {name.lower(): entry.get(name).lower() for name in STRONG if entry.get(name)}
        old = known.get(path)
        if old is not None and old[0].digest == digest:
            lines.append(old[1])
            continue
        host, made = _recorded(pkgdir / path, entry, warn)
        stated = Statement(path, digest, entry.get("CPV"), entry.get("BUILD_ID"), entry.get("BUILD_TIME"), host, made)
        lines.append(stated.emit())
    return b"".join(line + b"\n" for line in lines)


def statements(data: bytes, where: str) -> Iterator[tuple[Statement, bytes]]:
    """Each statement of a document, and its line. Raises InvalidProvenanceError."""
    file = io.BytesIO(data)
    while line := file.readline(limits.PROVENANCE_LINE + 2):
        yield statement(line.rstrip(b"\n"), where), line.rstrip(b"\n")


def _known(before: bytes) -> Iterator[tuple[Statement, bytes]]:
    """The statements of the live release, as far as they can be read: what is missing is made again."""
    try:
        yield from statements(before, "the live release")
    except InvalidProvenanceError:
        return


def _recorded(path: Path, entry: IndexEntry, warn: Callable[[str], None]) -> tuple[str, Record | None]:
    """The host that built a package, and its record."""
    try:
        values = values_of(path, frozenset((HOST, KEY)))
        host = values.get(HOST, "")
        found = record(values[KEY], str(path)) if KEY in values else None
    except (PackageError, InvalidProvenanceError) as error:
        warn(str(error))
        return "", None
    if found is not None and found.cpv != entry.get("CPV"):
        warn(f"{path}: its record is of {found.cpv}, so it was left out")
        return host, None
    return host, found
