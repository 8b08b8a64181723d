"""The statements of a release: one line for each package, the same for the same packages, and read again only for new ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from portage_ext.errors import PackageError
from portage_ext.errors.provenance import InvalidProvenanceError
from portage_ext.gpkg.describe import values_of
from portage_ext.model import STRONG, IndexEntry
from portage_ext.model.provenance import HOST, HOST_NAME, KEY, Record, Statement, record
from portage_ext.releases.contents import Contents
from portage_ext.releases.made import At

_SUBJECT: Final = b'"subject":'


def document(new: Contents, at: At, before: bytes, warn: Callable[[str], None]) -> bytes:
    """The statements about all packages of ``new``, whose files are ``at``. ``before`` are those of the live release.

    ``warn`` is called for a record that cannot be read; the package then has a statement without one. Raises OSError.
    """
    # A statement ends with its subject: the path and digests of the package. So an unchanged package keeps its line, unparsed.
    known = {line[line.rfind(_SUBJECT) :]: line for line in before.split(b"\n") if _SUBJECT in line}
    lines: list[bytes] = []
    for path in sorted(new.entries):
        entry = new.entry(path)
        digest = {name.lower(): entry.get(name).lower() for name in STRONG if entry.get(name)}
        bare = Statement(path, digest, entry.get("CPV"), entry.get("BUILD_ID"), entry.get("BUILD_TIME"), "", None)
        if (line := known.get(bare.subject())) is not None:
            lines.append(line)
            continue
        host, made = _recorded(at(path), entry, warn)
        lines.append(replace(bare, builder=host, record=made).emit())
    return b"".join(line + b"\n" for line in lines)


def _recorded(path: Path, entry: IndexEntry, warn: Callable[[str], None]) -> tuple[str, Record | None]:
    """The host that built a package, and its record."""
    try:
        values = values_of(path, frozenset((HOST, KEY)))
        host = values.get(HOST, "") if HOST_NAME.fullmatch(values.get(HOST, "")) else ""
        found = record(values[KEY], str(path)) if KEY in values else None
    except (PackageError, InvalidProvenanceError) as error:
        warn(str(error))
        return "", None
    if found is not None and found.cpv != entry.get("CPV"):
        warn(f"{path}: its record is of {found.cpv}, so it was left out")
        return host, None
    return host, found
