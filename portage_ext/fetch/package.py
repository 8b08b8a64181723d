"""A package is checked against the verified index while it arrives, and its content is checked when it is complete.

Size and digests come from the index that was verified and kept when emerge read it. So the process that fetches a package uses
the network only for the package itself. A file that fails a check is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from portage_ext import files, limits
from portage_ext.errors import InvalidContractError, PackageError, PortageExtError
from portage_ext.errors.trust import ChangedMetadataError, UnknownPackageError, UnsignedError, UnusablePackageError
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.direct import DirectTransport, suits
from portage_ext.fetch.sinks import FileSink
from portage_ext.gpkg.container import Container, check_members, read_container, read_metadata
from portage_ext.gpkg.identity import IDENTITY_KEYS, as_text, identity_of
from portage_ext.gpkg.source import Source, open_package
from portage_ext.model import GPKG_SUFFIX, STRONG, WEAK, IndexEntry
from portage_ext.model.contract import KEY as CONTRACT
from portage_ext.model.contract import SymbolContract
from portage_ext.model.release import DELTAS
from portage_ext.records import record
from portage_ext.trust.known_index import find_entry, header_value, is_bound
from portage_ext.trust.metadata import COMPARED, check_contract, check_identity, check_metadata


@record
class Wanted:
    """A package as the verified index describes it. ``bound`` is True if a Release authenticates that index; ``deltas`` then
    has the digests of the list of its deltas, and is empty if there is none."""

    base: str
    path: str
    entry: IndexEntry
    bound: bool
    deltas: str = ""


def split(uri: str, index: bytes) -> Wanted | None:
    """Find the package at ``uri`` in ``index``; None if it is not there. Its path below the base has two or three parts."""
    parts = uri.split("/")
    for length in (3, 2):
        base, path = "/".join(parts[:-length]), "/".join(parts[-length:])
        if base and (entry := find_entry(index, path)) is not None:
            bound = is_bound(index)
            return Wanted(base, path, entry, bound, header_value(index, DELTAS) if bound else "")
    return None


def fetch(binrepo: Binrepo, uri: str, wanted: Wanted, output: Path, *, resume: bool) -> str:
    """Fetch the ``wanted`` package into ``output``. Returns the mirror that sent it. Raises a PortageExtError, OSError."""
    entry = wanted.entry
    digests = digests_for(entry)
    sink = FileSink(output, entry.size, digests, resume=resume)
    try:
        first = DirectTransport() if suits(uri, sink.offset) else None
        base = binrepo.mirrors().fetch(wanted.path, entry.size, sink, sink.offset, first)
        sink.close()
        check(binrepo, wanted, output)
    except PortageExtError:
        files.discard(output)
        raise
    finally:
        sink.close()
    return base


def digests_for(entry: IndexEntry) -> dict[str, str]:
    """The digests that the file must have: the strong ones, or all weak ones if the index has no strong one.

    For a large package only BLAKE2B is used (docs/adr/0405).
    """
    strong = {name: entry.get(name) for name in STRONG if entry.get(name)}
    if "BLAKE2B" in strong and entry.size > limits.BOTH_DIGESTS_UP_TO:
        return {"BLAKE2B": strong["BLAKE2B"]}
    return strong or {name: entry.get(name) for name in WEAK if entry.get(name)}


def check(binrepo: Binrepo, wanted: Wanted, output: Path) -> None:
    """Compare the identity and the metadata of the file with its index entry. Raises PortageExtError.

    If no Release authenticates the index, but keys are pinned for this binrepo, one of them must have signed the package.
    """
    where = f"{binrepo.name}: {wanted.path}"
    try:
        _check(binrepo, where, wanted, output)
    except PackageError as error:
        raise UnusablePackageError(where, error.reason) from error


def _check(binrepo: Binrepo, where: str, wanted: Wanted, output: Path) -> None:
    fd = open_package(output, where)
    try:
        source = Source(fd, where)
        keys = IDENTITY_KEYS | COMPARED | {"EPREFIX"}
        compute: Callable[[str], SymbolContract]
        if wanted.path.endswith(GPKG_SUFFIX):
            container = read_container(source)
            if not wanted.bound:
                _check_signature(binrepo, where, container.manifest_data, signed=container.manifest.signature is not None)
                check_members(source, container, image=False)
            values = as_text(where, read_metadata(source, container, keys))
            compute = partial(_of_gpkg, source, container)
        else:
            if not wanted.bound:
                _check_signature(binrepo, where, b"", signed=False)
            from portage_ext.gpkg.xpak import read_xpak

            values = as_text(where, read_xpak(source, keys))
            compute = partial(_of_xpak, source)
        check_identity(where, wanted.entry, identity_of(where, values))
        check_metadata(where, wanted.entry, values)
        if values.get(CONTRACT):
            check_contract(where, wanted.entry, values[CONTRACT])
        elif not wanted.bound:
            _check_computed(binrepo, where, wanted.entry, partial(compute, values.get("EPREFIX", "")))
        source.unchanged()
    finally:
        os.close(fd)


def _check_computed(binrepo: Binrepo, where: str, entry: IndexEntry, compute: Callable[[], SymbolContract]) -> None:
    """Compare the contract of ``entry`` with one computed from the image, as `portage-ext reindex` does for a package without
    one.

    This is not needed with a Release, because its signer has computed the contract.
    """
    if not entry.get(CONTRACT):
        return
    try:
        said, found = SymbolContract.parse(entry.get(CONTRACT)), compute()
    except InvalidContractError:
        return  # it has a later format, so nothing on this host has used it
    except OSError as error:
        # This proves nothing wrong, so it is only a warning. The check before the merge examines the image itself.
        binrepo.warn(f"{where}: its {CONTRACT} could not be worked out and was not compared: {error}")
        return
    if not said.same_as(found):
        raise ChangedMetadataError(where, f"the index gives it another {CONTRACT} than its image has")


def _of_gpkg(source: Source, container: Container, eprefix: str) -> SymbolContract:
    # Imported here, because almost no package needs it.
    from portage_ext.gpkg.contract import contract_of_image

    return contract_of_image(source, container, eprefix)


def _of_xpak(source: Source, eprefix: str) -> SymbolContract:
    from portage_ext.gpkg.contract import contract_of_xpak

    return contract_of_xpak(source, eprefix)


def _check_signature(binrepo: Binrepo, where: str, manifest: bytes, *, signed: bool) -> None:
    pins = binrepo.terms().pins
    if not pins:
        return
    if not signed:
        raise UnsignedError(where, "the package is not signed")
    from portage_ext.trust import gpg, openpgp

    openpgp.judge(gpg.verify_clearsigned(binrepo.keyrings(), manifest), pins, where)


def entry_for(binrepo: Binrepo, uri: str) -> Wanted:
    """Find the package at ``uri`` in the verified index. Raises UnknownPackageError."""
    try:
        index = binrepo.state.index_file.read_bytes()
    except FileNotFoundError:
        raise UnknownPackageError(binrepo.name, "no index of it was verified yet") from None
    found = split(uri, index)
    if found is None:
        raise UnknownPackageError(binrepo.name, f"its verified index does not list {uri.rpartition('/')[2]}")
    return found
