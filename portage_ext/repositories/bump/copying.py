"""A newer version is made by copying the newest ebuild; Portage's own `ebuild` then fetches the distfiles and makes the
Manifest.

Only KEYWORDS changes in the text of the ebuild. If a step fails, the overlay is left as it was before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from portage_ext import files, shown
from portage_ext.errors.pypi import NoReleaseError, OverlayError
from portage_ext.host.distfiles import distdir, distfiles
from portage_ext.limits import repositories as limits
from portage_ext.repositories.bump import differences
from portage_ext.repositories.pypi import bumping
from portage_ext.repositories.pypi.written.versions import order, pms

_BESIDE: Final = ("metadata.xml", "files")
"""What is copied together with the ebuild if the overlay does not have the package yet."""


@dataclass(frozen=True, slots=True)
class Copied:
    """``category/name`` with its new version, the path of the new ebuild, and the differences of the two releases as lines."""

    package: str
    new: str
    path: Path
    differences: tuple[str, ...]


def gentoo_version(version: str) -> str | None:
    """Convert a published version to a PMS version; None if that is not possible."""
    text = version.strip()
    if len(text) > limits.PYPI_VERSION:
        return None
    if order(text) is not None and "-r" not in text:
        return text
    try:
        return pms(Version(text))
    except (InvalidVersion, NoReleaseError):
        return None


def is_newer(new: str, old: str) -> bool:
    """Whether the version ``new`` is newer than ``old`` (PVR) by PMS 3.3."""
    one, other = order(new), order(old.partition("-r")[0])
    return one is not None and other is not None and one > other


def copy(directory: Path, old: str, new: str, overlay: Path) -> Copied:
    """Copy the ebuild of version ``old`` (PVR) in ``directory`` to ``new`` in ``overlay``. Raises OverlayError, OSError."""
    name = directory.name
    package = f"{directory.parent.name}/{name}"
    there = overlay / package
    path = there / f"{name}-{new}.ebuild"
    if path.exists():
        raise OverlayError(str(path), "it is there already, and was not changed")
    source = directory / f"{name}-{old}.ebuild"
    before = distfiles(f"{package}-{old}", directory.parent.parent)
    with undone_on_error(there):
        if not (there / "metadata.xml").exists() and there != directory:
            _bring(directory, there)
        files.make_directory(there)
        files.replace_file(path, bumping.testing(bumping.text(source)).encode())
        now = distfiles(f"{package}-{new}", overlay)
        if now is None:
            raise OverlayError(str(path), "Portage cannot read the copy; is the overlay in repos.conf?")
        if not now or now == before:
            raise OverlayError(
                str(source),
                "what it fetches does not change with its version (a commit or a name in its text?); make it by hand",
            )
        ebuild(path, "manifest")
    return Copied(package, new, path, tuple(_compared(source, before or frozenset(), now)))


def _compared(source: Path, before: frozenset[str], now: frozenset[str]) -> Iterator[str]:
    place = distdir()
    gone, new = sorted(before - now), sorted(now - before)
    if not all((place / one).exists() for one in gone):
        try:
            ebuild(source, "fetch")
        except OverlayError as error:
            yield f"the releases cannot be compared: {error.detail}"
            return
    yield from differences.between([place / one for one in gone], [place / one for one in new])


def ebuild(path: Path, phase: str) -> None:
    """Run a phase of Portage's `ebuild`. Raises OverlayError with the last line that says why it failed."""
    program = shutil.which("ebuild")
    if program is None:
        raise OverlayError(str(path), "there is no program `ebuild` in PATH")
    try:
        done = subprocess.run(
            [program, str(path), phase],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NOCOLOR": "true"},
            timeout=limits.BUMP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OverlayError(str(path), f"`ebuild {path.name} {phase}` was not done after {limits.BUMP_SECONDS:g} s") from error
    if done.returncode:
        lines = [line.strip("!* \t") for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip("!* \t")]
        said = shown.line(lines[-1]) if lines else f"status {done.returncode}"
        raise OverlayError(str(path), f"`ebuild {path.name} {phase}` failed: {said}")


def _bring(source: Path, there: Path) -> None:
    """Copy the other files of the package: only regular files, and within the limits for a package."""
    left = limits.OVERLAY_PACKAGE_SIZE
    files.make_directory(there)
    for name in _BESIDE:
        for path in sorted([source / name, *(source / name).rglob("*")]):
            status = path.lstat() if path.exists() else None
            if status is None or not stat.S_ISREG(status.st_mode):
                continue
            left -= status.st_size
            if left < 0:
                raise OverlayError(str(source), f"its files have more than {limits.OVERLAY_PACKAGE_SIZE >> 20} MiB")
            files.make_directory((there / path.relative_to(source)).parent)
            shutil.copyfile(path, there / path.relative_to(source), follow_symlinks=False)


@contextlib.contextmanager
def undone_on_error(there: Path) -> Iterator[None]:
    """If the block fails, remove everything that it added to the package directory ``there``, and restore its Manifest."""
    had = {path.relative_to(there) for path in there.rglob("*")}
    manifest = there / "Manifest"
    said = manifest.read_bytes() if manifest.is_file() else None
    existed = there.is_dir()
    try:
        yield
    except BaseException:  # restore the overlay also after an interrupt; the exception is raised again
        if not existed:
            shutil.rmtree(there, ignore_errors=True)
            raise
        for path in sorted(there.rglob("*"), reverse=True):
            if path.relative_to(there) not in had:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        if said is not None:
            files.replace_file(manifest, said)
        raise
