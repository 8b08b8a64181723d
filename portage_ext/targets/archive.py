"""A stage archive is believed by a digest or a signature, and unpacked only after every name in it was found to stay inside.

The administrator names the archive and says what proves it. All checks and tar read the same open file, and an archive that
changed meanwhile is refused. Programs of the archive are never run by this module.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import posixpath
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from portage_ext import limits
from portage_ext.errors import PackageError
from portage_ext.errors.builds import StageError
from portage_ext.gpkg import image
from portage_ext.gpkg.compression import method_of_content
from portage_ext.gpkg.source import FileStamp, Source
from portage_ext.limits import builds as builds_limits
from portage_ext.trust import gpg, keyfiles, openpgp

_ALGORITHMS: Final = {64: ("sha256",), 128: ("blake2b", "sha512")}
"""The digests with so many hexadecimal digits. Gentoo publishes each of them."""
_KINDS: Final = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.GNUTYPE_SPARSE)
_DEVICES: Final = "dev/"
"""Below it an archive may have devices. They are not unpacked, because each build gets a /dev of its own."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A detached signature of the archive, and the key that must have made it: its fingerprint, and a file with this key."""

    signature: Path
    fingerprint: str
    key: Path


def unpack(archive: Path, proof: str | Signed, into: Path) -> None:
    """Check ``archive`` and unpack it into the empty directory ``into``. ``proof`` is a digest in hexadecimal, or a signature.

    Raises StageError, TrustError, OSError.
    """
    with archive.open("rb") as file:
        before = FileStamp.of(os.fstat(file.fileno()))
        check(file, str(archive), proof)
        survey(file, str(archive))
        _extract(file, str(archive), into)
        if FileStamp.of(os.fstat(file.fileno())) != before:
            raise StageError(str(archive), "it was changed while it was read")


def check(file: IO[bytes], name: str, proof: str | Signed) -> None:
    """Raise StageError or TrustError if ``proof`` does not fit ``file``."""
    if isinstance(proof, Signed):
        with tempfile.TemporaryDirectory(prefix="portage-ext.") as directory:
            ring = Path(directory) / "key.gpg"
            ring.write_bytes(keyfiles.only([_small(proof.key)], proof.fingerprint, str(proof.key)))
            found = gpg.verify_file([ring], _small(proof.signature), file)
        openpgp.judge(found, frozenset((proof.fingerprint,)), name)
        return
    wanted = proof.lower()
    algorithms = _ALGORITHMS.get(len(wanted), ())
    if not algorithms or not re.fullmatch("[0-9a-f]+", wanted):
        raise StageError(name, "its digest must be a SHA256, SHA512 or BLAKE2B in hexadecimal")
    digests = [hashlib.new(algorithm) for algorithm in algorithms]
    file.seek(0)
    while block := file.read(limits.READ_BLOCK):
        for digest in digests:
            digest.update(block)
    if not any(hmac.compare_digest(digest.hexdigest(), wanted) for digest in digests):
        raise StageError(name, f"its {algorithms[-1].upper()} is {digests[-1].hexdigest()[:16]}…, not {wanted[:16]}…")


def survey(file: IO[bytes], name: str) -> None:
    """Read all of the archive. Raises StageError for damage, too much, or a member that is or leads outside of it."""
    source = Source(file.fileno(), name)
    links: set[str] = set()
    size = 0
    try:
        method = method_of_content(source.read(0, min(16, source.size)))
        for count, (member, _) in enumerate(image.members(source, 0, source.size, method), 1):
            size += member.size
            if size > builds_limits.STAGE_SIZE or count > builds_limits.STAGE_MEMBERS:
                raise StageError(name, "it has more or larger files than its limits allow")
            _check_member(member, links, name)
    except PackageError as error:
        raise StageError(name, f"it is damaged, or no compressed tar archive ({error.reason})") from error


def _check_member(member: tarfile.TarInfo, links: set[str], archive: str) -> None:
    """Raise StageError if ``member`` is not allowed. ``links`` are the symbolic links so far: nothing may be below them."""
    path = _inside(member.name, archive)
    above = {path.rsplit("/", count)[0] for count in range(1, path.count("/") + 1)}
    if through := above & links:
        raise StageError(archive, f"its file {member.name!r} leads through the symbolic link {min(through)!r}")
    if path in links:
        raise StageError(archive, f"it has {member.name!r} twice")
    if member.issym():
        links.add(path)
    elif member.islnk():
        target = _inside(member.linkname, archive)
        if {target.rsplit("/", count)[0] for count in range(1, target.count("/") + 1)} & links:
            raise StageError(archive, f"its hard link {member.name!r} leads through a symbolic link")
        if target in links:
            links.add(path)
    elif member.type not in _KINDS and not path.startswith(_DEVICES):
        raise StageError(archive, f"its file {member.name!r} is a device or a pipe")


def _inside(name: str, archive: str) -> str:
    """The path of ``name`` below the root of the system. Raises StageError if it is not below it."""
    if name.startswith("/") or ".." in name.split("/"):
        raise StageError(archive, f"its file {name!r} leads out of it")
    return posixpath.normpath(name)


def _extract(file: IO[bytes], name: str, into: Path) -> None:
    # tar finds out the compression from a file, but not from a pipe.
    words = ["tar", "--extract", f"--file=/proc/self/fd/{file.fileno()}", f"--directory={into}", "--preserve-permissions"]
    words += ["--numeric-owner", "--xattrs-include=*.*", "--exclude=./dev/*", "--exclude=dev/*"]
    try:
        done = subprocess.run(
            words,
            pass_fds=(file.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
            timeout=builds_limits.STAGE_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise StageError(name, "tar is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise StageError(name, f"tar did not unpack it within {builds_limits.STAGE_SECONDS:.0f} s") from error
    if done.returncode:
        said = " ".join(done.stderr[-builds_limits.CAPTURE_SAID :].decode("utf-8", "replace").split())[-300:]
        raise StageError(name, f"tar could not unpack it: {said or f'exit status {done.returncode}'}")


def _small(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(limits.MAX_KEY_SIZE)
