"""A file is indexed only where Portage would look for it: its path must match its metadata."""

from __future__ import annotations

from collections.abc import Mapping

from portage_ext.errors import MisnamedPackageError
from portage_ext.gpkg.identity import Identity, identity_of
from portage_ext.model import GPKG_SUFFIX, PACKAGE_SUFFIXES


def expected_cpv(path: str) -> str:
    """The CPV of the package that belongs at ``path``, as far as the path tells it; nothing but speed depends on this."""
    directory, _, base = path.rpartition("/")
    stem = base.removesuffix(GPKG_SUFFIX) if base.endswith(GPKG_SUFFIX) else base.rpartition(".")[0]
    category, multi, _ = directory.partition("/")
    return f"{category}/{stem.rpartition('-')[0] if multi else stem}"


def place(path: str, values: Mapping[str, str]) -> Identity:
    """The identity of the package at ``path`` (relative to PKGDIR), if it belongs there.

    Multi-instance: ``category/name/PF-BUILDID.gpkg.tar`` or ``.xpak``; else ``category/PF.gpkg.tar`` or ``.tbz2``, or ``All``
    for the category (binarytree._populate_local in Portage). Raises MisnamedPackageError and what :func:`identity_of` raises.
    """
    identity = identity_of(path, values)
    cpv = identity.cpv
    directory, _, base = path.rpartition("/")
    suffix = next(suffix for suffix in PACKAGE_SUFFIXES if base.endswith(suffix))
    stem = base[: -len(suffix)]
    instance = stem[len(cpv.pf) + 1 :] if stem.startswith(f"{cpv.pf}-") else ""
    multi = instance.isascii() and instance.isdigit() and instance[0] != "0"
    if suffix == ".tbz2" or (suffix == GPKG_SUFFIX and not multi):
        if stem != cpv.pf:
            raise MisnamedPackageError(path, f"the metadata says {cpv}")
        if directory not in (cpv.category, "All"):
            raise MisnamedPackageError(path, f"belongs in {cpv.category}/")
    elif not multi:
        raise MisnamedPackageError(path, f"the metadata says {cpv}, but the file name has no build id after it")
    elif directory != cpv.cp:
        raise MisnamedPackageError(path, f"belongs in {cpv.cp}/")
    return identity
