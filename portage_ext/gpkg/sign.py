"""A package is signed without changing its payload: the members are copied byte for byte, including their headers.

A signed gpkg (GLEP 78) has a detached signature after each inner archive, and a clear-signed Manifest that lists both. The
payload is hashed and compared with the Manifest, signed, and copied at the same time, in constant memory; the kernel makes the
copy. The file is replaced in one step and keeps its mode and owner. Its modification time becomes the time of signing, at
least one whole second later than before: programs that compare size and time (Portage's index, rsync) must see the change,
even if the new signature has the size of the old one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from portage_ext import files, limits
from portage_ext.errors import DigestMismatchError
from portage_ext.gpkg.container import SIGNATURE_SUFFIX, VERSION_FILE, Container, read_container
from portage_ext.gpkg.manifest import Record
from portage_ext.gpkg.source import Source, open_package
from portage_ext.gpkg.tar import BLOCK, Member
from portage_ext.model.digest import blake2b

_SMALL: Final = 256 * limits.KIB
"""Up to this number of bytes, threads cost more time than they save."""
_CHUNK: Final = 64 * limits.MIB


class Pending(Protocol):
    """A signature that is still being made."""

    def result(self) -> bytes: ...

    def abandon(self) -> None: ...


class Signer(Protocol):
    """Makes armored signatures."""

    def clearsign(self, text: bytes) -> bytes: ...

    def detach(self, data: bytes) -> bytes: ...

    def detach_stretch(self, fd: int, offset: int, size: int) -> Pending: ...


def sign_package(path: Path, signer: Signer) -> None:
    """Sign the gpkg at ``path`` with ``signer`` and remove any earlier signatures.

    The payload must match the old Manifest. Raises PackageError, GpgError, OSError; the file is then unchanged.
    """
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        container = read_container(source)
        status = os.fstat(fd)
        with _replacing(path, status) as out:
            writer = _Writer(source, fd, container, signer, out, max(time.time(), int(status.st_mtime) + 1))
            writer.write()
            source.unchanged()
    finally:
        os.close(fd)


@contextlib.contextmanager
def _replacing(path: Path, status: os.stat_result) -> Iterator[int]:
    """Give the descriptor of a temporary file that replaces ``path`` at the end, with the mode and owner from ``status``."""
    with files.replacing(path, mode=stat.S_IMODE(status.st_mode), group=status.st_gid) as file:
        with contextlib.suppress(PermissionError):
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
        yield file.fileno()
        now = max(time.time(), int(status.st_mtime) + 1)
        os.utime(file.fileno(), (now, now))


@dataclass(slots=True)
class _Writer:
    """Writes the new container: copies the members, adds their signatures, and collects the records for the Manifest."""

    source: Source
    fd: int
    container: Container
    signer: Signer
    out: int
    now: float
    records: list[Record] = field(default_factory=list)

    def write(self) -> None:
        known = self.container.manifest.by_name()
        for name, member in self.container.members.items():
            if name == "Manifest" or name.endswith(SIGNATURE_SUFFIX):
                continue
            signature = self._copy(member, known[name], signed=name != VERSION_FILE)
            self.records.append(known[name])
            if signature is not None:
                self._add(name + SIGNATURE_SUFFIX, signature)
                self.records.append(_record(name + SIGNATURE_SUFFIX, signature))
        self._add("Manifest", self.signer.clearsign(manifest_text(self.records)))
        size = os.lseek(self.out, 0, os.SEEK_CUR) + 2 * BLOCK
        os.ftruncate(self.out, -(-size // tarfile.RECORDSIZE) * tarfile.RECORDSIZE)

    def _copy(self, member: Member, record: Record, *, signed: bool) -> bytes | None:
        """Copy a member with its headers and padding, and return its signature. Raises DigestMismatchError."""
        if member.size <= _SMALL:
            data = self.source.read(member.offset, member.size)
            _compare(self.source.name, record, _record(record.name, data))
            self._write(self.source.read(member.start, member.offset - member.start))
            self._write(data + bytes(member.end - member.offset - member.size))
            return self.signer.detach(data) if signed else None
        pending = self.signer.detach_stretch(self.fd, member.offset, member.size) if signed else None
        try:
            hashing = _Hashing(self.fd, member)
            self._copy_range(member.start, member.offset + member.size)
            self._write(bytes(member.end - member.offset - member.size))
            _compare(self.source.name, record, hashing.record(record.name))
            return None if pending is None else pending.result()
        except BaseException:  # stop gpg also after an interrupt; the exception is raised again
            if pending is not None:
                pending.abandon()
            raise

    def _write(self, data: bytes) -> None:
        """Write all of ``data``. On a full disk, a write may first write only a part, and only the next one fails."""
        while data:
            data = data[os.write(self.out, data) :]

    def _copy_range(self, start: int, end: int) -> None:
        """Copy bytes in the kernel; if it cannot do that (two file systems, an old kernel), read and write them."""
        while start < end:
            try:
                moved = os.copy_file_range(self.fd, self.out, min(end - start, _CHUNK), offset_src=start)
            except OSError:
                moved = 0
            if not moved:
                block = self.source.read(start, min(end - start, limits.READ_BLOCK))
                moved = os.write(self.out, block)
            start += moved

    def _add(self, name: str, data: bytes) -> None:
        """Append a new member: a signature or the Manifest."""
        info = tarfile.TarInfo(f"{self.container.prefix}/{name}")
        info.size = len(data)
        info.mtime = int(self.now)
        magic = self.source.read(257, 8)
        gnu = magic == b"ustar  \0" or len(info.name) > tarfile.LENGTH_NAME
        header = info.tobuf(tarfile.GNU_FORMAT if gnu else tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
        self._write(header + data + bytes(-len(data) % BLOCK))


class Digester(Protocol):
    """The methods of hashlib objects that are used here."""

    def update(self, data: memoryview, /) -> None: ...


class _Hashing:
    """Computes BLAKE2B and SHA512 of one member, each in its own thread (hashlib releases the GIL)."""

    def __init__(self, fd: int, member: Member) -> None:
        self._size = member.size
        self._blake2b = blake2b()
        self._sha512 = hashlib.sha512()
        both: tuple[Digester, ...] = (self._blake2b, self._sha512)
        self._threads = [threading.Thread(target=self._run, args=(fd, member, one), daemon=True) for one in both]
        for thread in self._threads:
            thread.start()

    def _run(self, fd: int, member: Member, digest: Digester) -> None:
        buffer = memoryview(bytearray(limits.READ_BLOCK))
        offset, end = member.offset, member.offset + member.size
        while offset < end:
            count = os.preadv(fd, [buffer[: min(end - offset, len(buffer))]], offset)
            if not count:
                return
            digest.update(buffer[:count])
            offset += count

    def record(self, name: str) -> Record:
        for thread in self._threads:
            thread.join()
        return Record(name, self._size, self._blake2b.hexdigest(), self._sha512.hexdigest())


def manifest_text(records: list[Record]) -> bytes:
    """The text of a Manifest (GLEP 74 DATA lines) as Portage writes it."""
    lines = (f"DATA {one.name} {one.size} BLAKE2B {one.blake2b} SHA512 {one.sha512}\n" for one in records)
    return "".join(lines).encode("ascii")


def _record(name: str, data: bytes) -> Record:
    return Record(name, len(data), hashlib.blake2b(data).hexdigest(), hashlib.sha512(data).hexdigest())


def _compare(path: str, expected: Record, found: Record) -> None:
    if expected != found:
        raise DigestMismatchError(path, f"{expected.name} does not match the Manifest; nothing was signed")
