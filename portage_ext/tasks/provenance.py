"""What a package was built from: a binhost's signed Release proves it, and the digest of the file must be the stated one.

An installed package only has the record that it was built with, which nothing proves any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from portage_ext import limits
from portage_ext.errors import NoSuchPackageError, PortageExtError, RequestError
from portage_ext.errors.provenance import NoStatementError, OtherPackageError
from portage_ext.fetch import attached
from portage_ext.host.here import Here, binrepos, here
from portage_ext.host.installed import InstalledPackage, matching
from portage_ext.model import Hasher
from portage_ext.model.provenance import KEY, Record, Statement, record, statement
from portage_ext.model.release import PROVENANCE
from portage_ext.tasks.site import Site


@dataclass(frozen=True, slots=True)
class Proven:
    """A package, and what is known of its build. ``binhost`` and ``statement`` are None for an installed package."""

    name: str
    record: Record | None
    binhost: str | None = None
    statement: Statement | None = None


def provenance(what: str, *, binhost: str | None = None, warn: Callable[[str], None] = lambda text: None) -> Iterator[Proven]:
    """What is known of ``what``: a package file, or what an atom matches, installed and in PKGDIR.

    ``binhost`` is the section of binrepos.conf that is asked (None: each). Raises NoStatementError, OtherPackageError,
    InvalidProvenanceError, NoSuchPackageError, RequestError, SettingsError, OSError.
    """
    host, path = here(), Path(what)
    installed, paths = (list[InstalledPackage](), [path]) if path.is_file() else matching(what, (KEY,))
    if not installed and not paths:
        raise NoSuchPackageError(what, f"the index of {host.pkgdir}")
    for package in installed:
        text = package.values.get(KEY, "")
        yield Proven(f"{package.cpv} (installed)", record(text, package.cpv) if text else None)
    documents = _documents(host, binhost, warn) if paths else []
    for one in paths:
        yield _proven(one, documents)


_Document = tuple[str, bytes, str]
"""A binhost, its verified statements, and why they cannot be had."""


def _documents(host: Here, name: str | None, warn: Callable[[str], None]) -> list[_Document]:
    """The statements of each binhost. Raises RequestError for a name that no section has."""
    known = [one for one in binrepos() if name is None or one.name == name]
    if name is not None and not known:
        raise RequestError(f"binrepos.conf has no section {name}")
    site, found = Site.read(host.config_root, host.eroot, client_only=True), list[_Document]()
    for one in known:
        called = one.name or one.sync_uri
        try:
            with site.binrepo(called, one.sync_uri, warn=warn) as binrepo:
                data = attached.verified(binrepo, PROVENANCE, limits.PROVENANCE_SIZE, int(time.time()))
            found.append((called, data, ""))
        except (PortageExtError, OSError) as error:
            found.append((called, b"", str(error)))
    return found


def _proven(path: Path, documents: Sequence[_Document]) -> Proven:
    digest = _digest(path)
    for called, data, _ in documents:
        for line in _lines(data, digest["blake2b"], digest["sha512"]):
            found = statement(line, called)
            if found.digest and all(digest.get(name) == value for name, value in found.digest.items()):
                return Proven(str(path), found.record, called, found)
    # A file of this host is named by its build, and in a release by its digest.
    package = path.name.rpartition("-")[0]
    for called, data, _ in documents:
        for line in _lines(data, f"/{package}"):
            found = statement(line, called)
            if path.name.startswith(f"{found.cpv.rpartition('/')[2]}-{found.build_id}."):
                raise OtherPackageError(str(path), called, found.path)
    reasons = [f"[{called}] {why or 'its release states nothing of this file'}" for called, _, why in documents]
    raise NoStatementError(str(path), "; ".join(reasons) or "binrepos.conf has no binhost that could prove it")


def _digest(path: Path) -> dict[str, str]:
    hasher = Hasher()
    with path.open("rb") as file:
        while block := file.read(limits.READ_BLOCK):
            hasher.update(block)
    return {name.lower(): value for name, value in hasher.values().items()}


def _lines(data: bytes, *words: str) -> Iterator[bytes]:
    """The lines of a document with one of ``words``: of thousands only these are parsed. Raises InvalidProvenanceError."""
    wanted = [word.encode() for word in words]
    if any(word in data for word in wanted):
        for line in data.split(b"\n"):
            if any(word in line for word in wanted):
                yield line
