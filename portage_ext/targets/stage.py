"""A system for a target is made from a stage archive: whole or not at all, and with configuration that is given, not guessed.

It is made beside the directory that it becomes, and renamed when it is complete. Its configuration is that of a target that
was captured or made from a builder.json; without one, that of the archive.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.errors.builds import StageError
from portage_ext.model.builder import Builder
from portage_ext.targets import archive as archives
from portage_ext.targets import native
from portage_ext.targets.archive import Signed
from portage_ext.targets.capture import Target
from portage_ext.targets.store import assignments, laid_out

SYSTEMS: Final = "var/lib/portage-ext/systems"
"""The directory below EROOT where systems are made unless another is named."""
_REPOSITORIES: Final = "var/db/repos"
_PROFILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]{0,127}(?:/[A-Za-z0-9_][A-Za-z0-9+_.-]{0,127}){0,15}")
_MAKE_CONF: Final = "etc/portage/make.conf"


def make(
    archive: Path, proof: str | Signed, into: Path, *, profile: str, repositories: Sequence[Path], like: Target | None = None
) -> None:
    """Make the system ``into``, which must not exist, from ``archive``. ``proof`` is a digest in hexadecimal, or a signature.

    ``profile`` is below profiles/ of the first of ``repositories``, which are copied. ``like`` is the target whose
    configuration it gets. Raises StageError, CaptureError, TrustError, OSError.
    """
    where = str(archive)
    if os.geteuid() != 0:
        raise StageError(where, "only root can unpack a system with its owners; run this command as root")
    if not _PROFILE.fullmatch(profile) or ".." in profile:
        raise StageError(where, f"{profile!r} cannot be a profile; write it such as default/linux/amd64/23.0")
    if os.path.lexists(into):
        raise StageError(where, f"{into} exists already; name another directory with --into, or remove it")
    if not repositories:
        raise StageError(where, "this host has no ebuild repository; name one with --repository")
    if not (repositories[0] / "profiles" / profile).is_dir():
        raise StageError(where, f"there is no profile {profile} in {repositories[0]}")
    names = [name_of(one, where) for one in repositories]
    given = {} if like is None else configuration(like, where)
    files.make_directory(into.parent)
    partial = into.with_name(f".{into.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
    partial.mkdir(0o755)
    try:
        archives.unpack(archive, proof, partial)
        _directory(partial, "dev", where)
        for name, repository in zip(names, repositories, strict=True):
            place = _directory(partial, f"{_REPOSITORIES}/{name}", where)
            shutil.copytree(repository, place, symlinks=True, ignore=shutil.ignore_patterns(".git"), dirs_exist_ok=True)
        _configure(partial, where, names, profile, given)
        files.sync_filesystem(partial)
        os.rename(partial, into)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def configuration(target: Target, where: str) -> dict[str, bytes]:
    """The configuration files of a system like ``target``, by path, with ``-march=native`` replaced. Raises StageError,
    CaptureError."""
    found = laid_out(target) if target.make_conf or target.files else _of_builder(target.builder)
    for path, data in found.items():
        if (path == _MAKE_CONF or path.startswith("etc/portage/env/")) and native.found(data):
            if not native.is_resolved(target.builder.march):
                raise StageError(where, f"the configuration says {native.found(data)}, and nobody resolved that on the target")
            found[path] = native.replaced(data, target.builder.march)
    return found


def _of_builder(builder: Builder) -> dict[str, bytes]:
    """The configuration files as far as a builder.json says what is in them."""
    named = {
        "CHOST": (builder.chost,),
        "CFLAGS": builder.cflags,
        "CXXFLAGS": builder.cxxflags,
        "LDFLAGS": builder.ldflags,
        "ACCEPT_KEYWORDS": builder.accept_keywords,
        "ACCEPT_LICENSE": builder.accept_license,
        "USE": builder.use,
        **builder.use_expand,
    }
    values = {name: " ".join(words) for name, words in named.items() if any(words)}
    found = {_MAKE_CONF: assignments(values, "make.conf")}
    if builder.package_use:
        lines = (f"{atom} {' '.join(words)}\n" for atom, words in builder.package_use.items())
        found["etc/portage/package.use"] = "".join(lines).encode()
    return found


def _configure(top: Path, where: str, names: Sequence[str], profile: str, given: Mapping[str, bytes]) -> None:
    sections = [f"[DEFAULT]\nmain-repo = {names[0]}\n"]
    sections += [f"[{name}]\nlocation = /{_REPOSITORIES}/{name}\n" for name in names]
    for path, data in {"etc/portage/repos.conf": "\n".join(sections).encode(), **given}.items():
        into = _directory(top, os.path.dirname(path), where) / os.path.basename(path)
        if into.is_dir() and not into.is_symlink():
            shutil.rmtree(into)  # a stage has some of these files as empty directories
        files.replace_file(into, data)
    config = _directory(top, "etc/portage", where)
    files.replace_link(config / "make.profile", f"../../{_REPOSITORIES}/{names[0]}/profiles/{profile}")


def _directory(top: Path, path: str, where: str) -> Path:
    """The directory ``path`` below ``top``, created if it is missing. Raises StageError if a link or a file is in the way."""
    place = top
    for part in Path(path).parts:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise StageError(where, f"its {place.relative_to(top)} is not a directory")
        place.mkdir(exist_ok=True)
    return place


def name_of(repository: Path, where: str) -> str:
    """The name of the ebuild repository (PMS 3.1.5). Raises StageError."""
    try:
        name = (repository / "profiles/repo_name").read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise StageError(where, f"{repository} is not an ebuild repository: its profiles/repo_name cannot be read") from error
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}", name):
        raise StageError(where, f"{repository} is not an ebuild repository: {name[:80]!r} cannot be its name")
    return name
