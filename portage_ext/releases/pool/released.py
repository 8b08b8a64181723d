"""A Release in a tree counts for the next one only as this host has written it.

The next Release announces the keys that the last one announced. A promotion, a rollback and a renewal also take over an index
and its documents. So a file below /var/lib/portage-ext has the digest of each Release that this host has signed. Only root can
write there: what somebody who can only write to the tree puts into a release, or beside the releases, is never signed. A tree
in which this host has not published yet, such as a copied one, is believed as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from portage_ext import files, limits
from portage_ext.errors.releases import ChangedReleaseError
from portage_ext.model import builder
from portage_ext.model.digest import blake2b
from portage_ext.model.release import DOCUMENTS, PLAIN_FORM, Release, binding
from portage_ext.records import record
from portage_ext.releases.blocks import Bytes
from portage_ext.trust import release as release_text

PLACE: Final = Path("var/lib/portage-ext/released")
"""Below EROOT."""


@record
class Released:
    """What is written in the file at ``path``: for each place, digests of Releases by version."""

    path: Path

    def add(self, place: Path, release: Release) -> None:
        """Remember ``release`` before it is written below ``place``.

        Raises ChangedReleaseError as :meth:`check`, and OSError if others of that place are remembered.
        """
        table = self._read(place)
        before = table.pop(_name(place), {})
        versions = {**before, str(release.version): _digest(release)}
        table[_name(place)] = dict(sorted(versions.items(), key=lambda one: int(one[0]))[-limits.MAX_RELEASES_REMEMBERED :])
        with contextlib.suppress(*([] if before else [OSError])):
            files.make_directory(self.path.parent)
            files.replace_file(self.path, json.dumps(table).encode())

    def check(self, place: Path, release: Release) -> None:
        """Raises ChangedReleaseError if ``release``, from ``place``, is not as this host has written it, or nobody knows."""
        known = self._read(place).get(_name(place), {})
        said = known.get(str(release.version))
        if known and said != _digest(release) and (said is not None or release.version > min(map(int, known))):
            raise ChangedReleaseError(
                str(place),
                f"release {release.version} is not as this host has published it, so nothing is made from it. If you know why "
                f"(another host has published here, or you have restored a copy), remove {self.path} and run this again",
            )

    def _read(self, place: Path) -> dict[str, dict[str, str]]:
        try:
            with self.path.open("rb") as file:
                table = json.loads(file.read(limits.MAX_NOTE_SIZE))
            return {str(one): {str(int(number)): str(said) for number, said in own.items()} for one, own in table.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ChangedReleaseError(
                str(place),
                f"{self.path}, which says what this host has published, cannot be read ({error}), so nothing is made from the "
                "releases there. If you know that they are right, remove that file and run this again",
            ) from error


def _name(place: Path) -> str:
    return str(place.resolve())


def _digest(release: Release) -> str:
    # A Release has one valid text.
    return hashlib.blake2b(release_text.emit(release)).hexdigest()


def check_index(release: Release, parts: Iterable[Bytes], where: Path) -> None:
    """Raises ChangedReleaseError if the index of ``parts``, from ``where``, is not the one that ``release`` names."""
    hasher = blake2b()
    for part in parts:
        hasher.update(part)
    if hasher.hexdigest() != release.plain.blake2b:
        raise _changed(where, PLAIN_FORM)


def check_documents(header: Mapping[str, str], described: bytes, documents: Mapping[str, bytes], where: Path) -> None:
    """The same for builder.json and the documents, if they are not those that the ``header`` of the index names."""
    if described and header.get(builder.HEADER, "") != builder.binding(described):
        raise _changed(where, builder.NAME)
    for name, data in documents.items():
        if header.get(DOCUMENTS[name], "") != binding(name, data):
            raise _changed(where, name)


def _changed(where: Path, name: str) -> ChangedReleaseError:
    return ChangedReleaseError(
        str(where),
        f"{name} was changed or damaged after it was published, so nothing is made from it. Publish from PKGDIR again",
    )
