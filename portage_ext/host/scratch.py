"""Real emerge merges packages of a release into a scratch root, which is removed afterwards.

emerge gets its own PKGDIR with only these packages, so it does not write to the release or to this host's PKGDIR, log or
world file. The gate `install` merges each package alone (--nodeps), because the gate `closure` checks dependencies. A trial
merges packages together with all that they need, as a client would.

Each program has a session of its own, so that Ctrl-C reaches only this process. However this process leaves, it first ends
the program with all that it has started, and then removes the root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
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
LOSS: Final = "`portage-ext trial` and `bisect` cannot work"
_FEATURES: Final = "-getbinpkg -buildpkg -buildsyspkg -news -merge-sync pkgdir-index-trusted"
_OPTIONS: Final = ("--ignore-default-opts", "--oneshot", "--usepkgonly", "--quiet", "--color=n")
_TOLD: Final = 15
"""How many of emerge's last lines are shown."""
_PATIENCE: Final = 10.0
"""Seconds that a program has to end by itself."""
_STDERR: Final = 2


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


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Packages to choose from: an index, and each entry of it with the directory that its PATH is relative to."""

    index: bytes
    files: tuple[tuple[Path, IndexEntry], ...]

    @classmethod
    def of(cls, directory: Path, index: bytes, entries: Sequence[IndexEntry]) -> Chosen:
        """Packages that all are in ``directory``."""
        return cls(index, tuple((directory, entry) for entry in entries))


@contextlib.contextmanager
def installed(what: str, chosen: Chosen, atoms: Sequence[str], provided: Sequence[str]) -> Iterator[tuple[Scratch, str]]:
    """A scratch root with ``atoms`` and all that they need from ``chosen``, and why that failed (empty if it did not).

    ``provided`` as for :func:`merge_together`. Raises GateUnavailableError, OSError.
    """
    with _scratch(what, chosen) as scratch:
        scratch.has(provided)
        yield scratch, scratch.emerge(atoms) if atoms else ""


def merge_into_scratch(directory: Path, index: bytes, entries: tuple[IndexEntry, ...]) -> Iterator[tuple[str, str]]:
    """Merge ``entries``, one emerge each. Yields failures with emerge's last lines. Raises GateUnavailableError, OSError."""
    with _scratch("install", Chosen.of(directory, index, entries)) as scratch:
        for entry in entries:
            words = scratch.merge([entry], ("--nodeps",))
            if words:
                yield str(entry.cpv), words


def merge_together(
    directory: Path, index: bytes, entries: Sequence[IndexEntry], wanted: Sequence[IndexEntry], provided: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Merge ``wanted`` with what they need from ``entries``, the whole release. Yields failures as :func:`merge_into_scratch`.

    ``provided`` are atoms of packages that every client has: what this host has installed of them counts as installed there.
    If all of them cannot be merged together, each is tried in a root of its own, so that the cause is named.
    """
    every = Chosen.of(directory, index, entries)
    with _scratch("trial", every) as scratch:
        scratch.has(provided)
        words = scratch.merge(wanted)
    if not words:
        return
    if len(wanted) == 1:
        yield str(wanted[0].cpv), words
        return
    found = False
    for entry in wanted:
        with _scratch("trial", every) as scratch:
            scratch.has(provided)
            alone = scratch.merge([entry])
        if alone:
            found = True
            yield str(entry.cpv), alone
    if not found and not _blocked(words):
        yield "all together", words


def _blocked(words: str) -> bool:
    """Whether packages only cannot be installed beside each other: no client wants all of a release."""
    return "hard blocking" in words or "[blocks B" in words or "slot conflict" in words


@dataclass(frozen=True, slots=True)
class Scratch:
    """A root that exists only inside the block, and how programs run in it."""

    program: str
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

    def merge(self, entries: Sequence[IndexEntry], options: Sequence[str] = ()) -> str:
        """Merge ``entries`` in one emerge. Returns why that failed; empty if it did not."""
        words = self.emerge([f"={entry.cpv}" for entry in entries], options)
        installed = (self.eroot / "var/db/pkg" / entry.cpv.category / entry.cpv.pf for entry in entries)
        return words or ("" if all(one.is_dir() for one in installed) else "emerge could not merge it")

    def emerge(self, atoms: Sequence[str], options: Sequence[str] = ()) -> str:
        """Merge ``atoms`` in one emerge. Returns why that failed; empty if it did not."""
        words = [self.program, *_OPTIONS, f"--root={self.root}", *options, *atoms]
        with tempfile.TemporaryFile() as output:
            status = _run(words, self.environment, output.fileno())
            output.seek(max(0, output.seek(0, os.SEEK_END) - limits.READ_BLOCK))
            last = output.read().decode("utf-8", "replace").rstrip().split("\n")[-_TOLD:]
        if status is None:
            return f"was not merged within {limits.INSTALL_TEST_SECONDS:g} s"
        return "" if status == 0 else "emerge could not merge it:\n    " + "\n    ".join(last)

    def run(self, command: Sequence[str]) -> int | None:
        """Run ``command`` with ROOT and EROOT of the scratch root in its environment; its output goes to stderr.

        Returns its exit status, the negative number of the signal that ended it, or None if it did not end in time.
        """
        return _run(command, {**os.environ, "ROOT": f"{self.root}/", "EROOT": f"{self.eroot}/"}, _STDERR)


def _run(words: Sequence[str], environment: Mapping[str, str], output: int) -> int | None:
    process = subprocess.Popen(
        words,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        return process.wait(limits.INSTALL_TEST_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it has started: emerge first by SIGTERM, so that it ends the phases of ebuilds itself."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _scratch(what: str, chosen: Chosen) -> Iterator[Scratch]:
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
        (pkgdir / "Packages").write_bytes(chosen.index)
        place_all(((str(directory), entry.path, entry.path) for directory, entry in chosen.files), str(pkgdir))
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
        yield Scratch(emerge, root, eroot, environment)
