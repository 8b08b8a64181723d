"""One file becomes one entry or one named error, and every value of the entry comes from the bytes that were hashed.

This runs in worker processes, so all arguments and results can be pickled.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from portage_ext import limits
from portage_ext.errors import (
    DecompressionError,
    InvalidDependencyError,
    MalformedPackageError,
    OversizedPackageError,
    PackageError,
    UnacceptedSignatureError,
    UnreadablePackageError,
)
from portage_ext.gpkg.container import VERSION_FILE, Container, check_members, read_container, read_metadata
from portage_ext.gpkg.identity import as_text
from portage_ext.gpkg.source import FileStamp, Source, open_package
from portage_ext.gpkg.xpak import read_xpak
from portage_ext.index.blocks import Row
from portage_ext.index.format import MTIME, IndexFormat
from portage_ext.model import GPKG_SUFFIX, Hasher
from portage_ext.model.contract import KEY as CONTRACT
from portage_ext.model.contract import SymbolContract
from portage_ext.pkgdir.naming import place
from portage_ext.pkgdir.signatures import SignaturePolicy, Signed
from portage_ext.records import record

_LINKED: Final = frozenset(("REQUIRES", "PROVIDES"))
"""The metadata that Portage records for packages with ELF objects; without it there is no contract to compute."""

Evaluate = Callable[[str, str, frozenset[str]], str]
"""``(key, value, USE flags) -> value`` with its USE conditionals evaluated; raises ValueError with the reason."""


@record
class ReadPlan:
    """How packages are read: the same for every file of a run."""

    pkgdir: Path
    format: IndexFormat
    header: Mapping[str, str]
    policy: SignaturePolicy
    evaluate: Evaluate
    image: bool = False
    """Also compare the image with the Manifest (``--verify``)."""


@record
class Indexed:
    """A package that goes into the index: its row, and its entry's text."""

    row: Row
    entry: bytes


@record
class LeftOut:
    """A file that does not, and why. ``stamp`` is None if another attempt may succeed although the file did not change."""

    path: str
    stamp: FileStamp | None
    error: PackageError


Outcome = Indexed | LeftOut


def _gpkg(source: Source, container: Container, plan: ReadPlan) -> tuple[dict[str, bytes], Signed | None]:
    signed = None
    if plan.policy.verify and (container.signed or plan.policy.required):
        signed = _signed(source, container)
    metadata = read_metadata(source, container, plan.format.wanted | {"EPREFIX"})
    _work_out_contract(metadata, plan, lambda contract, eprefix: contract.contract_of_image(source, container, eprefix))
    return metadata, signed


def _xpak(source: Source, plan: ReadPlan) -> dict[str, bytes]:
    metadata = read_xpak(source, plan.format.wanted | {"EPREFIX"})
    _work_out_contract(metadata, plan, lambda contract, eprefix: contract.contract_of_xpak(source, eprefix))
    return metadata


def _work_out_contract(
    metadata: dict[str, bytes], plan: ReadPlan, compute: Callable[[ModuleType, str], SymbolContract]
) -> None:
    """Add the contract of a package that was built without the hook; it is kept in the index as long as the file stays."""
    if CONTRACT in plan.format.metadata_keys and CONTRACT not in metadata and metadata.keys() & _LINKED:
        # What reads images is large, and most packages bring their contract.
        from portage_ext.gpkg import contract as images

        # Without a program for its compression, or with a broken image, the package is still as good as for Portage.
        with contextlib.suppress(DecompressionError, MalformedPackageError):
            contract = str(compute(images, metadata.get("EPREFIX", b"").decode("utf-8", "replace").strip()))
            # No reader accepts a longer contract, and it would keep the package out of the index.
            if len(contract) <= limits.CONTRACT_SIZE:
                metadata[CONTRACT] = contract.encode()


def _signed(source: Source, container: Container) -> Signed:
    metadata = container.metadata.member
    name = metadata.name.rpartition("/")[2]
    detached = container.members.get(f"{name}.sig")
    if container.manifest.signature is None:
        raise UnacceptedSignatureError(source.name, "the Manifest is not signed")
    if detached is None:
        raise UnacceptedSignatureError(source.name, f"{name} is not signed")
    known = {VERSION_FILE, "Manifest", name, f"{name}.sig"}
    unknown = [one for one in container.members if one not in known and not one.startswith("image")]
    if unknown:
        # Portage requires a signature on each member, and no builder writes others.
        raise UnacceptedSignatureError(source.name, f"unexpected member {unknown[0]} in a signed package")
    if detached.size > limits.SIGNATURE_SIZE:
        raise UnacceptedSignatureError(source.name, f"a signature of {detached.size} bytes")
    return Signed(
        source.name,
        container.manifest_data,
        source.read(metadata.offset, metadata.size),
        source.read(detached.offset, detached.size),
    )


def _evaluate(path: str, values: dict[str, str], use: frozenset[str], plan: ReadPlan) -> None:
    for key in plan.format.evaluated_keys:
        value = values.get(key)
        if value:
            try:
                values[key] = plan.evaluate(key, value, use)
            except ValueError as error:
                raise InvalidDependencyError(path, f"{key}: {error}") from error


@record
class Described:
    """An entry that lacks the digests of its file: the row, and the values by Portage's internal names."""

    row: Row
    values: dict[str, str]

    def indexed(self, digests: Mapping[str, str], plan: ReadPlan) -> Indexed:
        """The entry with ``digests``. Raises OversizedPackageError."""
        self.values.update(digests)
        text = plan.format.emit(self.values, plan.header)
        if len(text) >= limits.INDEX_ENTRY_SIZE:
            # Because of this one package, emerge would ignore the whole binhost.
            raise OversizedPackageError(self.row.path, f"its entry in the index would have {len(text)} bytes")
        return Indexed(self.row, text)


def _described(path: str, source: Source, raw: Mapping[str, bytes], plan: ReadPlan) -> Described:
    texts = as_text(path, raw)
    identity = place(path, texts)
    stamp = source.stamp
    layout = plan.format
    values = {key: text for key, text in texts.items() if key in layout.metadata_keys}
    values["EAPI"] = texts.get("EAPI", "0") or ""
    use = frozenset(texts.get("USE", "").split())
    _evaluate(path, values, use, plan)
    if layout.evaluated_twice(values, plan.header):
        _evaluate(path, values, use, plan)
    if identity.build_id is not None:
        values["BUILD_ID"] = str(identity.build_id)
    values["CPV"] = str(identity.cpv)
    values["PATH"] = path
    values["SIZE"] = str(stamp.size)
    values[MTIME] = str(stamp.mtime_ns // 1_000_000_000)
    build = f"{'' if identity.build_id is None else identity.build_id}|{identity.build_time or 0}"
    row = Row(path, stamp.size, stamp.mtime_ns, stamp.inode, values["CPV"], build)
    return Described(row, values)


def describe_gpkg(path: str, source: Source, container: Container, plan: ReadPlan) -> tuple[Described, Signed | None]:
    """Everything of the entry but the digests of the file, and the signatures to check. Raises PackageError."""
    raw, signed = _gpkg(source, container, plan)
    return _described(path, source, raw, plan), signed


def read_one(path: str, plan: ReadPlan, buffer: bytearray | None = None) -> tuple[Indexed, Signed | None]:
    """Read the file at ``path`` (relative to PKGDIR). Raises PackageError with that path."""
    if not path.isprintable():
        raise MalformedPackageError(path, "the name has control characters or is not UTF-8")
    fd = open_package(f"{plan.pkgdir}/{path}", path)
    try:
        source = Source(fd, path, buffer)
        if path.endswith(GPKG_SUFFIX):
            container = read_container(source)
            check_members(source, container, image=plan.image)
            described, signed = describe_gpkg(path, source, container, plan)
        elif plan.policy.required:
            raise UnacceptedSignatureError(path, "an xpak package cannot be signed, but FEATURES has binpkg-request-signature")
        else:
            described, signed = _described(path, source, _xpak(source, plan), plan), None
        hasher = Hasher(plan.format.digests)
        for block in source.blocks():
            hasher.update(block)
        indexed = described.indexed(hasher.values(), plan)
        source.unchanged()
        return indexed, signed
    except OSError as error:
        # A large object needs a temporary file, for which there may be no space. Other packages may be smaller.
        raise UnreadablePackageError(path, f"cannot be examined: {error.strerror or error}") from error
    finally:
        os.close(fd)
