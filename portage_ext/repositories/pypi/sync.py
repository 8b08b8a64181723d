"""``sync-type = pypi``: the worker makes the files as the sync-user; they are checked and then replace the whole repository."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from portage_ext.errors.repositories import RepositoryError
from portage_ext.limits import repositories as limits
from portage_ext.repositories import confined, record, swap
from portage_ext.repositories.record import Kind, Record
from portage_ext.repositories.swap import File
from portage_ext.repositories.user import User

_PATH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_.-]*(?:/[A-Za-z0-9][A-Za-z0-9+_.-]*){1,4}")
_ENVIRONMENT: Final = (
    "HOME", "LANG", "PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """The input of a sync: the repository's name and location, the index, the directory of places.py, the main repository, the
    other repositories by name in order of preference, and the value for KEYWORDS."""

    name: str
    location: str
    index: str
    directory: str
    master: str
    others: Mapping[str, str]
    keyword: str


def sync(job: Job, user: User | None) -> tuple[bool, Record]:
    """Update the repository. Returns whether it changed, and its record.

    Raises RepositoryError, ConfinementError, OSError; the repository is then unchanged.
    """
    location = Path(job.location)
    if location.is_dir() and any(location.iterdir()) and not record.is_made(location):
        raise RepositoryError(
            str(location), "it holds something that no sync of this kind made", "Let `location` be a directory of its own"
        )
    found = _made(job, user)
    changed = swap.replace(location, found, user)
    said = record.load(location)
    if said is None:
        raise RepositoryError(str(location), "the repository does not say what is in it", "Sync again")
    return changed, said


def _made(job: Job, user: User | None) -> dict[str, File]:
    """Run the worker and read the files that it prints. Raises RepositoryError, ConfinementError."""
    with tempfile.TemporaryDirectory(prefix="portage-ext.") as scratch:
        if user is not None and user.is_other:
            os.chown(scratch, user.uid, user.gid)
        done = confined.run(
            [sys.executable, "-I", "-m", "portage_ext.repositories.pypi.worker", json.dumps(asdict(job))],
            user=user,
            writable=[Path(scratch)],
            environment={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            seconds=limits.PYPI_SECONDS,
            network=True,
            largest_file=limits.PYPI_SDIST,
        )
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode != 0:
        raise RepositoryError(
            job.name, said or f"the worker ended with status {done.returncode}", "The repository stays as it was"
        )
    return _parsed(done.stdout, job.name)


def _parsed(data: bytes, name: str) -> dict[str, File]:
    try:
        values = json.loads(data)
        found = {path: File(base64.b64decode(text, validate=True)) for path, text in values.items()}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise RepositoryError(name, "the worker printed something that is no repository", "Sync again") from error
    if any(not _PATH.fullmatch(path) or ".." in path for path in found) or not found:
        raise RepositoryError(name, "the worker printed a path that no repository has", "Sync again")
    if sum(len(file.data) for file in found.values()) > limits.REPOSITORY_SIZE:
        raise RepositoryError(name, "the repository would be too large", "List fewer projects")
    return found


def told(said: Record) -> Iterator[str]:
    """Yield one line for everything that a person should know after a sync."""
    yield f"{len(said.items)} packages"
    for one in said.remarks:
        yield f"{one.name}: {one.kind.value}: {one.why}" if one.kind is not Kind.HELD else f"{one.name}: held: {one.why}"
