"""One file becomes one entry or one named error, and every value of the entry comes from the bytes that were hashed.

This runs in worker processes, so all arguments and results can be pickled.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from portage_ext import limits
from portage_ext.errors import (
    ChangingPackageError,
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
from portage_ext.gpkg.source import HEAD, FileStamp, Source, open_package
from portage_ext.gpkg.xpak import read_xpak
from portage_ext.index.blocks import Row
from portage_ext.index.format import MTIME, IndexFormat
from portage_ext.model import GPKG_SUFFIX, Hasher
from portage_ext.model.contract import KEY as CONTRACT
from portage_ext.model.contract import SymbolContract
from portage_ext.pkgdir.naming import place
from portage_ext.pkgdir.signatures import SignaturePolicy, Signed, check_signatures

_LINKED: Final = frozenset(("REQUIRES", "PROVIDES"))
"""The metadata that Portage records for packages with ELF objects; without it there is no contract to compute."""

Evaluate = Callable[[str, str, frozenset[str]], str]
"""``(key, value, USE flags) -> value`` with its USE conditionals evaluated; raises ValueError with the reason."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How packages are read: the same for every file of a run."""

    pkgdir: Path
    format: IndexFormat
    header: Mapping[str, str]
    policy: SignaturePolicy
    evaluate: Evaluate
    image: bool = False
    """Also compare the image with the Manifest (``--verify``)."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A package that goes into the index: its row, and its entry's text."""

    row: Row
    entry: bytes


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that does not, and why. ``stamp`` is None if another attempt may succeed although the file did not change."""

    path: str
    stamp: FileStamp | None
    error: PackageError


Outcome = Indexed | LeftOut


def _gpkg(source: Source, plan: ReadPlan) -> tuple[dict[str, bytes], Signed | None]:
    container = read_container(source)
    check_members(source, container, image=plan.image)
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


def _entry(path: str, source: Source, raw: Mapping[str, bytes], plan: ReadPlan) -> Indexed:
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
    hasher = Hasher(layout.digests)
    for block in source.blocks():
        hasher.update(block)
    values.update(hasher.values())
    if identity.build_id is not None:
        values["BUILD_ID"] = str(identity.build_id)
    values["CPV"] = str(identity.cpv)
    values["PATH"] = path
    values["SIZE"] = str(stamp.size)
    values[MTIME] = str(stamp.mtime_ns // 1_000_000_000)
    build = f"{'' if identity.build_id is None else identity.build_id}|{identity.build_time or 0}"
    row = Row(path, stamp.size, stamp.mtime_ns, stamp.inode, values["CPV"], build)
    text = layout.emit(values, plan.header)
    if len(text) >= limits.INDEX_ENTRY_SIZE:
        # Because of this one package, emerge would ignore the whole binhost.
        raise OversizedPackageError(path, f"its entry in the index would have {len(text)} bytes")
    return Indexed(row, text)


def read_one(path: str, plan: ReadPlan, buffer: bytearray | None = None) -> tuple[Indexed, Signed | None]:
    """Read the file at ``path`` (relative to PKGDIR). Raises PackageError with that path."""
    if not path.isprintable():
        raise MalformedPackageError(path, "the name has control characters or is not UTF-8")
    fd = open_package(f"{plan.pkgdir}/{path}", path)
    try:
        source = Source(fd, path, buffer)
        if path.endswith(GPKG_SUFFIX):
            raw, signed = _gpkg(source, plan)
        elif plan.policy.required:
            raise UnacceptedSignatureError(path, "an xpak package cannot be signed, but FEATURES has binpkg-request-signature")
        else:
            raw, signed = _xpak(source, plan), None
        indexed = _entry(path, source, raw, plan)
        source.unchanged()
        return indexed, signed
    except OSError as error:
        # A large object needs a temporary file, for which there may be no space. Other packages may be smaller.
        raise UnreadablePackageError(path, f"cannot be examined: {error.strerror or error}") from error
    finally:
        os.close(fd)


def _stamp(path: str) -> FileStamp | None:
    try:
        return FileStamp.of(os.lstat(path))
    except OSError:
        return None


def read_batch(paths: Sequence[str], plan: ReadPlan) -> list[Outcome]:
    """Read several files and check their signatures together; one outcome for each path that still exists, in order.

    Raises VerificationUnavailableError.
    """
    outcomes: dict[str, Outcome] = {}
    buffer = bytearray(HEAD)
    top = str(plan.pkgdir)
    signed: list[Signed] = []
    waiting = 0

    def refuse(packages: list[Signed]) -> None:
        for path, reason in check_signatures(packages, plan.policy, thorough=plan.image).items():
            outcomes[path] = LeftOut(path, None, UnacceptedSignatureError(path, reason))
        packages.clear()

    for path in paths:
        for attempt in range(limits.READ_ATTEMPTS):
            stamp = _stamp(f"{top}/{path}")
            if stamp is None:
                break
            try:
                indexed, signature = read_one(path, plan, buffer)
            except ChangingPackageError as error:
                outcomes[path] = LeftOut(path, None, error)
                if attempt + 1 < limits.READ_ATTEMPTS:
                    continue
            except PackageError as error:
                outcomes[path] = LeftOut(path, stamp if error.lasting else None, error)
            else:
                outcomes[path] = indexed
                if signature is not None:
                    signed.append(signature)
                    waiting += signature.size
                    if waiting > limits.BATCH_BYTES:
                        refuse(signed)
                        waiting = 0
            break
    refuse(signed)
    return list(outcomes.values())
