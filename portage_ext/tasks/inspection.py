"""What is in a package, as a file or installed: metadata, files, signatures and their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from portage_ext.errors import NoSuchPackageError
from portage_ext.gpkg import describe
from portage_ext.gpkg.describe import Described
from portage_ext.host.here import here
from portage_ext.host.installed import InstalledPackage, matching
from portage_ext.tasks.site import Site
from portage_ext.trust import gpg, kept_root
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.memory import STATE_DIRECTORY, StateDirectory, checked_name
from portage_ext.trust.openpgp import Signature


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature, and the binrepos for which its key is pinned; ``known``: the key is in a keyring of this host."""

    signature: Signature
    pinned: Sequence[str]
    known: bool


@dataclass(frozen=True, slots=True)
class Inspected:
    """A package: ``file`` is what its file is (None: it is installed), ``files`` what it installs (None: not asked for)."""

    name: str
    values: Mapping[str, str]
    file: Described | None = None
    files: Sequence[str] | None = None
    signatures: Sequence[Signed] = ()


def inspect(what: str, *, files: bool = False) -> Iterator[Inspected]:
    """Look at ``what``: a package file, or the packages that an atom matches, installed and in PKGDIR.

    ``files``: name also what a package file would install. Raises NoSuchPackageError, RequestError, SettingsError,
    PackageError, GpgError, OSError.
    """
    path, host = Path(what), here()
    if path.is_file():
        installed, paths = list[InstalledPackage](), [path]
    else:
        installed, paths = matching(what, describe.KEYS)
        if not installed and not paths:
            raise NoSuchPackageError(what, f"the index of {host.pkgdir}")
    for package in installed:
        yield Inspected(f"{package.cpv} (installed)", package.values, files=package.files)
    site: Site | None = None
    for one in paths:
        found, signed = describe.describe(one), list[Signed]()
        if found.signed:
            site = site or Site.read(host.config_root, host.eroot, client_only=True)
            signed = _signatures(site, found.signed)
        names = [name for name, _ in describe.files(one)] if files else None
        yield Inspected(str(one), found.values, found, names, signed)


def _signatures(site: Site, data: bytes) -> list[Signed]:
    directory, home = TrustDirectory(site.config_root), site.settings.portage_home
    rings = [*directory.directory.glob("*.gpg"), *(site.eroot / STATE_DIRECTORY).glob("*.gpg")]
    rings += [home / name for name in ("pubring.kbx", "pubring.gpg")]
    found = []
    for one in gpg.verify_clearsigned(rings, data):
        pinned = tuple(name for name in directory.binrepos() if one.by_any_of(_believed(directory, site.eroot, name)))
        found.append(Signed(one, pinned, bool(one.fingerprint)))
    return found


def _believed(directory: TrustDirectory, eroot: Path, name: str) -> frozenset[str]:
    """The keys pinned for a binrepo, or named by the root that it follows."""
    root = kept_root.believed(directory, StateDirectory(eroot, checked_name(name)))
    return directory.pins(name) if root is None else frozenset(root.release_keys)
