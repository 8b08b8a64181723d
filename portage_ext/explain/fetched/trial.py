"""Packages fetched on trial: does the very file arrive that the index describes, and would Portage accept its signature?

Each is fetched into a temporary directory, looked at and removed before the next; PKGDIR and the binrepos' own directories are
only read. Compared as ``_emerge.BinpkgVerifier`` does, verified by Portage's own ``gpkg`` with the keyring that it would use.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from _emerge.BinpkgVerifier import BinpkgVerifier
from portage.checksum import _apply_hash_filter, _filter_unaccelarated_hashes, _hash_filter, perform_multiple_checksums
from portage.exception import InvalidSignature, MissingSignature, PortageException
from portage.gpkg import gpkg

from portage_ext import shown
from portage_ext.errors import PackageError, UnknownPortageError
from portage_ext.errors.trust import GpgError
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.command_line import overheard
from portage_ext.explain.fetched import arrival, fetchcommand
from portage_ext.explain.fetched.arrival import Signer, Source
from portage_ext.explain.verdict import Offer, Reason
from portage_ext.gpkg.describe import describe
from portage_ext.host import probe
from portage_ext.host.probe import Expectation, Function
from portage_ext.limits import TRIAL_BYTES, TRIAL_FETCH_SECONDS, TRIAL_PACKAGES, TRIAL_SECONDS
from portage_ext.model import GPKG_SUFFIX, builder
from portage_ext.trust import gpg
from portage_ext.words import counted

_TREE: Final = "portage.dbapi.bintree:binarytree"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("portage.gpkg:gpkg.__init__", ("self", "settings", "basename", "gpkg_file"), ("verify_signature",)),
    Function("portage.gpkg:gpkg._verify_binpkg", ("self", "metadata_only")),
    Function(f"{_TREE}._get_digests", ("self", "pkg")),
    Function(f"{_TREE}.download_required", ("self", "pkgname")),
    Function(f"{_TREE}.get_local_repo", ("self", "pkgname")),
    Function(f"{_TREE}.getname", ("self", "cpv")),
    Function("portage.checksum:_apply_hash_filter", ("digests", "hash_filter")),
    Function("portage.checksum:_filter_unaccelarated_hashes", ("digests",)),
    Function("portage.checksum:_hash_filter.__init__", ("self", "filter_str")),
    Function("portage.checksum:perform_multiple_checksums", ("filename",), ("hashes",)),
    Function("portage.util:varexpand", ("mystring",), ("mydict",)),
)
LOSS: Final = "`portage-ext why --fetch` cannot fetch on trial"


class Trials:
    """Fetches the packages of one list, within the bounds of ``limits``; ``remarks`` says what was left out, and why."""

    def __init__(self, tree: CandidateTree) -> None:
        self._tree = tree
        self._until = time.monotonic() + TRIAL_SECONDS
        self._bytes = TRIAL_BYTES
        self._packages = TRIAL_PACKAGES
        self._left_out: list[str] = []
        self._said: list[str] = []

    @property
    def remarks(self) -> tuple[str, ...]:
        said = tuple(dict.fromkeys(self._said))
        if not self._left_out:
            return said
        bounds = f"{counted(TRIAL_PACKAGES)}, {TRIAL_BYTES >> 30} GiB and {TRIAL_SECONDS:.0f} s"
        names = " ".join(self._left_out[:6]) + (" ..." if len(self._left_out) > 6 else "")
        return (*said, f"portage-ext: not fetched, beyond {bounds} at a time ({len(self._left_out)}): {names}")

    def reason(self, offer: Offer, candidate: Any) -> Reason | None:
        """What emerge would stop at if it took ``candidate``; None when nothing, or when it is in PKGDIR."""
        if offer.binrepo is None:
            return None
        try:
            probe.check(LOSS, EXPECTED)
            return self._reason(offer, candidate.cpv)
        except UnknownPortageError as error:
            self._said.append(f"portage-ext: {error}")
            return None
        except Exception as error:  # noqa: BLE001 - the other reasons must still be printed
            self._said.append(f"portage-ext: {offer.cpv} cannot be tried: {type(error).__name__}: {error}")
            return None

    def _reason(self, offer: Offer, cpv: Any) -> Reason | None:
        tree = self._tree
        entry = tree._remotepkgs[tree.dbapi._instance_key(cpv)]
        header = tree.sources.get(offer.binrepo or "", {})
        again = fetchcommand.by_hand(tree.settings, entry)
        source = Source(offer, shown.line(fetchcommand.uri_of(entry)), again, builder.HEADER in header)
        digests = tree._get_digests(cpv)
        # Portage before 3.0.83 takes what it cannot compare.
        if hasattr(BinpkgVerifier, "_missing_digests_exception") and not ("size" in digests and digests.keys() - {"size"}):
            return arrival.undigested(source)
        if not tree.download_required(cpv):
            path = Path(tree.getname(cpv))
            found = self._compared(source, path, digests) or self._verified(source, path, cpv)
            return None if found is None else arrival.downloaded(source, str(path), found)
        size = digests.get("size", 0)
        seconds = min(self._until - time.monotonic(), TRIAL_FETCH_SECONDS)
        if self._packages < 1 or size > self._bytes or seconds <= 0:
            self._left_out.append(offer.cpv)
            return None
        self._packages -= 1
        self._bytes -= size
        with tempfile.TemporaryDirectory(prefix="portage-ext.trial.") as name:
            if shutil.disk_usage(name).free < size:
                self._said.append(f"portage-ext: {offer.cpv} is not fetched: {name} has no room for {size} bytes (see TMPDIR)")
                return None
            return self._fetched(source, cpv, entry, digests, Path(name), seconds)

    def _fetched(
        self, source: Source, cpv: Any, entry: dict[str, str], digests: dict[str, Any], directory: Path, seconds: float
    ) -> Reason | None:
        settings = self._tree.settings
        ended = fetchcommand.fetch(settings, entry, directory, size=digests.get("size", self._bytes), seconds=seconds)
        if ended.status is None:
            self._said.append(
                f"portage-ext: {source.offer.cpv} had not arrived after {seconds:.0f} s; what is told is without it"
            )
            return None
        if ended.status != 0 and os.getuid() != 0 and "[unknown-package]" in " ".join(ended.said):
            # What an ordinary user's index says is not kept, and our fetcher fetches by a kept one only.
            self._said.append(f"portage-ext: {source.offer.cpv} can be tried as root only: {ended.said[-1]}")
            return None
        if ended.status != 0:
            return arrival.failed(source, ended.status, ended.said)
        path = directory / os.path.basename(entry["PATH"])
        partial = path.with_name(f"{path.name}.partial")
        if not partial.is_file():
            return arrival.lost(source)
        partial.rename(path)
        return self._compared(source, path, digests) or self._verified(source, path, cpv)

    def _compared(self, source: Source, path: Path, digests: dict[str, Any]) -> Reason | None:
        """As _emerge.BinpkgVerifier: the size, then each digest that PORTAGE_CHECKSUM_FILTER leaves."""
        if "size" not in digests:
            return None
        size = path.stat().st_size
        if size != digests["size"]:
            return arrival.differs(source, "size", size, digests["size"], whole=_whole(path))
        wanted = _filter_unaccelarated_hashes(digests)
        only = _hash_filter(self._tree.settings.get("PORTAGE_CHECKSUM_FILTER", ""))
        if not only.transparent:
            wanted = _apply_hash_filter(wanted, only)
        names = [name for name in wanted if name != "size"]
        got = perform_multiple_checksums(str(path), hashes=names)
        for name in names:
            if got[name] != wanted[name]:
                return arrival.differs(source, name, got[name], wanted[name], whole=_whole(path))
        return None

    def _verified(self, source: Source, path: Path, cpv: Any) -> Reason | None:
        """As Portage before it unpacks: whole, and signed as its binrepo or FEATURES ask for."""
        if not path.name.endswith(GPKG_SUFFIX):
            return None  # an xpak has no signature; those that need one are not in Portage's index
        settings, repo = self._tree.settings, self._tree.get_local_repo(cpv)
        said: list[str] = []
        try:
            with overheard(said):
                gpkg(settings, cpv, str(path), verify_signature=repo.verify_signature)._verify_binpkg()
        except (MissingSignature, InvalidSignature) as error:
            return self._unaccepted(source, path, f"{type(error).__name__}: {error}")
        except PortageException as error:
            return arrival.damaged(source, f"{type(error).__name__}: {error}".replace(str(path), path.name))
        return None

    def _unaccepted(self, source: Source, path: Path, why: str) -> Reason:
        """Who signed it is asked of our own gpg, which judges nothing here."""
        try:
            signed = describe(path).signed
        except PackageError as error:
            return arrival.damaged(source, error.reason)
        if not signed:
            return arrival.unsigned(source)
        home = self._tree.settings.get("BINPKG_GPG_VERIFY_GPG_HOME", "")
        try:
            found = gpg.verify_clearsigned([Path(home, name) for name in ("pubring.kbx", "pubring.gpg")], signed)
        except GpgError as error:
            found, why = (), f"{why}; {error}"
        signers = [Signer(one.primary or one.fingerprint or one.keyid, one.verdict.name) for one in found]
        return arrival.not_accepted(source, signers, home, why)


def _whole(path: Path) -> bool:
    """Whether a file is a package that agrees with itself."""
    try:
        return not describe(path).damage
    except PackageError:
        return False
