"""Real emerge merges packages of a release into a scratch root, which is removed afterwards.

emerge gets its own PKGDIR with only these packages, so it does not write to the release or to this host's PKGDIR, log or
world file. The gate `install` merges each package alone (--nodeps), because the gate `closure` checks dependencies. A trial
merges packages together with all that they need, as a client would.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import UnknownPortageError
from portage_ext.errors.releases import GateUnavailableError
from portage_ext.host import probe
from portage_ext.host.probe import Attribute, Expectation, Function
from portage_ext.model import IndexEntry
from portage_ext.releases.linking import place_all
from portage_ext.unattended import marks

_MASKS: Final = "portage.package.ebuild.getmaskingstatus"
_OF_THE_HOST: Final = frozenset(("package.mask", "KEYWORDS", "LICENSE", "PROPERTIES", "RESTRICT"))
"""What Portage calls the masks that the configuration of a host decides; others are a fault of the package."""
_DATABASE: Final = "portage.dbapi.vartree:vardbapi"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_DATABASE}.match", ("self", "origdep")),
    Function(f"{_DATABASE}.getpath", ("self", "mykey"), ("filename",)),
    Function(f"{_MASKS}:_getmaskingstatus", ("mycpv", "settings", "portdb"), ("myrepo",)),
    Attribute(f"{_MASKS}:_MaskReason.category"),
)
LOSS: Final = "`portage-ext trial` cannot work"
_FEATURES: Final = "-getbinpkg -buildpkg -buildsyspkg -news -merge-sync pkgdir-index-trusted"
_OPTIONS: Final = ("--ignore-default-opts", "--oneshot", "--usepkgonly", "--quiet", "--color=n")
_TOLD: Final = 15
"""How many of emerge's last lines are shown."""


@dataclass(frozen=True, slots=True)
class _Package:
    """What Portage's judgement of masks asks of a package."""

    cpv: str
    _metadata: Mapping[str, str]
    installed: bool = False


def masked_here(entry: IndexEntry) -> bool:
    """Whether package.mask, keywords or ACCEPT_* of this host mask ``entry``, so that emerge would not merge a sound one."""
    import portage
    from portage.package.ebuild.getmaskingstatus import _getmaskingstatus

    try:
        probe.check(LOSS, EXPECTED)
    except UnknownPortageError:
        return False  # So it is tried: a Portage that we do not know only costs a false alarm here.
    names = ("EAPI", "IUSE", "KEYWORDS", "LICENSE", "PROPERTIES", "RESTRICT", "USE")
    values = {name: entry.get(name) for name in names} | {"SLOT": entry.get("SLOT", "0"), "repository": entry.get("REPO")}
    values["EAPI"] = values["EAPI"] or "0"
    found = _getmaskingstatus(_Package(str(entry.cpv), values), portage.settings, None)
    return bool(found) and all(one.category in _OF_THE_HOST for one in found)


def merge_into_scratch(directory: Path, index: bytes, entries: tuple[IndexEntry, ...]) -> Iterator[tuple[str, str]]:
    """Merge ``entries``, one emerge each. Yields failures with emerge's last lines. Raises GateUnavailableError, OSError."""
    with _scratch("install", directory, index, entries) as scratch:
        for entry in entries:
            words = scratch.merge([entry], ("--nodeps",), limits.INSTALL_TEST_SECONDS)
            if words:
                yield str(entry.cpv), words


def merge_together(
    directory: Path, index: bytes, entries: Sequence[IndexEntry], wanted: Sequence[IndexEntry], provided: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Merge ``wanted`` with what they need from ``entries``, the whole release. Yields failures as :func:`merge_into_scratch`.

    ``provided`` are atoms of packages that every client has: what this host has installed of them counts as installed there.
    If all of them cannot be merged together, each is tried in a root of its own, so that the cause is named.
    """
    with _scratch("trial", directory, index, entries) as scratch:
        scratch.has(provided)
        words = scratch.merge(wanted, (), limits.INSTALL_TEST_SECONDS)
    if not words:
        return
    if len(wanted) == 1:
        yield str(wanted[0].cpv), words
        return
    found = False
    for entry in wanted:
        with _scratch("trial", directory, index, entries) as scratch:
            scratch.has(provided)
            alone = scratch.merge([entry], (), limits.INSTALL_TEST_SECONDS)
        if alone:
            found = True
            yield str(entry.cpv), alone
    if not found and not _blocked(words):
        yield "all together", words


def _blocked(words: str) -> bool:
    """Whether packages only cannot be installed beside each other: no client wants all of a release."""
    return "hard blocking" in words or "[blocks B" in words or "slot conflict" in words


@dataclass(frozen=True, slots=True)
class _Scratch:
    emerge: str
    root: Path
    eroot: Path
    environment: Mapping[str, str]

    def has(self, atoms: Sequence[str]) -> None:
        """Let the packages that this host has of ``atoms`` count as installed. Their files are not there."""
        import portage

        if atoms:
            probe.check(LOSS, EXPECTED)
        database = portage.db[portage.settings["EROOT"]]["vartree"].dbapi
        for cpv in (one for atom in atoms for one in database.match(atom)):
            shutil.copytree(database.getpath(cpv), self.eroot / "var/db/pkg" / str(cpv), dirs_exist_ok=True)

    def merge(self, entries: Sequence[IndexEntry], options: Sequence[str], seconds: float) -> str:
        """Merge ``entries`` in one emerge. Returns why that failed; empty if it did not."""
        try:
            done = subprocess.run(
                [self.emerge, *_OPTIONS, f"--root={self.root}", *options, *(f"={entry.cpv}" for entry in entries)],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"was not merged within {seconds:g} s"
        installed = (self.eroot / "var/db/pkg" / entry.cpv.category / entry.cpv.pf for entry in entries)
        if done.returncode == 0 and all(one.is_dir() for one in installed):
            return ""
        words = done.stdout.decode("utf-8", "replace").rstrip().split("\n")[-_TOLD:]
        return "emerge could not merge it:\n    " + "\n    ".join(words)


@contextlib.contextmanager
def _scratch(what: str, directory: Path, index: bytes, entries: Sequence[IndexEntry]) -> Iterator[_Scratch]:
    emerge = shutil.which("emerge")
    if emerge is None:
        raise GateUnavailableError(what, "there is no emerge on PATH")
    import portage

    with tempfile.TemporaryDirectory(prefix=f"portage-ext.{what}.") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        pkgdir, root, logs = scratch / "binpkgs", scratch / "root", scratch / "log"
        eroot = root / portage.settings["EPREFIX"].lstrip("/")
        for one in (pkgdir, eroot, logs, scratch / "tmp"):
            one.mkdir(parents=True, exist_ok=True)
        (pkgdir / "Packages").write_bytes(index)
        place_all(((str(directory), entry.path, entry.path) for entry in entries), str(pkgdir))
        environment = {
            **os.environ,
            "EMERGE_LOG_DIR": str(logs),
            # The run that publishes holds the lock of after-emerge, and this emerge would wait for it.
            marks.LATER: "later",
            "FEATURES": f"{os.environ.get('FEATURES', '')} {_FEATURES}".strip(),
            "PKGDIR": str(pkgdir),
            "PORTAGE_BINHOST": "",
            "PORTAGE_LOGDIR": str(logs),
            "PORTAGE_TMPDIR": str(scratch / "tmp"),
        }
        yield _Scratch(emerge, root, eroot, environment)
