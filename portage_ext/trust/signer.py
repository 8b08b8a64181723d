"""gpg signs text or a part of a file and returns an armored signature; the secret key never leaves gpg-agent.

The agent may ask for a passphrase, use a smartcard, or be reached through a socket forwarded from another machine. We run gpg
directly to sign, because python-gnupg would copy every byte of the payload through Python and start threads for each signature.
Keys are looked up with python-gnupg.
"""

from __future__ import annotations

import os
import subprocess
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext import limits
from portage_ext.errors.here import MissingGpgError, MissingSecretKeyError
from portage_ext.errors.trust import GpgError
from portage_ext.records import record
from portage_ext.trust.gpg import environment, finished
from portage_ext.trust.keyfiles import EXPORT_MINIMALLY, own

if TYPE_CHECKING:
    from portage_ext.trust.gpg_home import BoundGPG

_SIGN: Final = ("--batch", "--no-tty", "--armor", "--digest-algo", "SHA512")
_PIPE: Final = 1 << 20
_SIGNING: Final = "it signs; it may be asking for a passphrase, or for a smartcard"


@record
class SigningKey:
    """A key that can sign now. ``fingerprint`` is the requested key, and ``primary`` the primary key that it belongs to."""

    fingerprint: str
    primary: str

    @property
    def local_user(self) -> str:
        """The value of gpg's --local-user: exactly this key for a subkey; for a primary key, gpg may choose a subkey of it."""
        return self.fingerprint if self.fingerprint == self.primary else f"{self.fingerprint}!"


@cache
def _home(homedir: Path | None) -> BoundGPG:
    """Open the gpg home ``homedir``. This is cached, because it asks gpg for its version each time. Raises GpgError."""
    from portage_ext.trust.gpg_home import opened

    return opened(homedir, EXPORT_MINIMALLY)


def signing_key(homedir: Path | None, wanted: str | None) -> SigningKey:
    """Find the secret key ``wanted``: the full fingerprint of a primary key or subkey; None if there is only one secret key.

    Raises GpgError.
    """
    from portage_ext.trust.gpg_home import listed

    found = listed(_home(homedir), secret=True)
    if wanted is None and len(found) > 1:
        there = ", ".join(sorted(key["fingerprint"].upper() for key in found))
        raise GpgError("gpg", f"there are several secret keys in {homedir or 'the home of gpg'}; name one with --key: {there}")
    for key in found:
        primary = key["fingerprint"].upper()
        subkeys = {fields[2].upper() for fields in key["subkeys"]}
        if wanted is None or wanted == primary:
            return SigningKey(primary, primary)
        if wanted in subkeys:
            return SigningKey(wanted, primary)
    raise MissingSecretKeyError(
        "gpg", f"there is no secret key{(wanted and f' {wanted}') or ''} in {homedir or 'the gpg home of this user'}"
    )


def public_key(homedir: Path | None, key: SigningKey) -> bytes:
    """The public part of ``key``. Raises GpgError."""
    return own(_home(homedir), key.primary, "the signing key")


@record
class GpgSigner:
    """Signs with ``key`` through the gpg home ``homedir`` (None: gpg's own default).

    ``cosigners`` also sign Releases if a root demands several signatures. With ``unattended``, nobody can be asked for a
    passphrase: a key whose passphrase is not cached in the agent is an error.
    """

    key: SigningKey
    homedir: Path | None = None
    unattended: bool = False
    cosigners: tuple[SigningKey, ...] = ()

    @property
    def primaries(self) -> frozenset[str]:
        """The primary keys that sign a Release."""
        return frozenset(one.primary for one in (self.key, *self.cosigners))

    def sign_release(self, data: bytes) -> bytes:
        """Armored detached signatures over a Release, by the key and the cosigners. Raises GpgError."""
        return self._with_data("--detach-sign", data, self.cosigners)

    def clearsign(self, text: bytes) -> bytes:
        """``text`` with a signature around it. Raises GpgError."""
        return self._with_data("--clear-sign", text)

    def detach(self, data: bytes) -> bytes:
        """An armored detached signature over ``data``. Raises GpgError."""
        return self._with_data("--detach-sign", data)

    def detach_stretch(self, fd: int, offset: int, size: int) -> PendingSignature:
        """Start to sign ``size`` bytes of the file ``fd`` from ``offset``. The kernel copies them to gpg, not Python."""
        return PendingSignature(self._start("--detach-sign"), fd, offset, size)

    def _start(self, operation: str, cosigners: tuple[SigningKey, ...] = ()) -> subprocess.Popen[bytes]:
        by = [word for one in (self.key, *cosigners) for word in ("--local-user", one.local_user)]
        home = [] if self.homedir is None else ["--homedir", str(self.homedir)]
        asking = ["--pinentry-mode", "error"] if self.unattended else []
        try:
            return subprocess.Popen(
                ["gpg", *home, *asking, *_SIGN, *by, operation],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(),
            )
        except FileNotFoundError:
            raise MissingGpgError("gpg", "it is not installed or not on PATH") from None

    def _with_data(self, operation: str, data: bytes, cosigners: tuple[SigningKey, ...] = ()) -> bytes:
        process = self._start(operation, cosigners)
        output, messages = finished(process, data, limits.SIGN_SECONDS, _SIGNING)
        return _result(process.returncode, output, messages)


class PendingSignature:
    """A signature that gpg is making while a thread sends it the data."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int, offset: int, size: int) -> None:
        self._process = process
        self._failure: OSError | None = None
        self._moved = 0
        self._thread = threading.Thread(target=self._feed, args=(fd, offset, size), daemon=True)
        self._thread.start()

    def _feed(self, fd: int, offset: int, size: int) -> None:
        assert self._process.stdin is not None
        pipe = self._process.stdin.fileno()
        try:
            while size:
                moved = os.splice(fd, pipe, min(size, _PIPE), offset_src=offset)
                if not moved:
                    raise OSError("the file became shorter")
                offset, size = offset + moved, size - moved
                self._moved += moved
        except OSError as error:
            self._failure = error
        finally:
            self._process.stdin.close()

    def result(self) -> bytes:
        """The armored signature. Raises GpgError."""
        moved = -1
        while self._thread.is_alive():
            # The limit applies only while gpg takes no bytes; a large file may take longer.
            self._thread.join(limits.SIGN_SECONDS)
            if self._thread.is_alive() and moved == self._moved:
                self.abandon()
                raise GpgError("gpg", f"gpg took nothing of the payload for {limits.SIGN_SECONDS:g} s, and was ended")
            moved = self._moved
        self._process.stdin = None  # it is already closed, so communicate() must not flush it
        made, said = finished(self._process, None, limits.SIGN_SECONDS, _SIGNING)
        if self._failure is not None and not self._process.returncode:
            raise GpgError("gpg", f"the payload could not be signed ({self._failure})")
        return _result(self._process.returncode, made, said)

    def abandon(self) -> None:
        """Stop gpg and wait for it."""
        self._process.kill()
        self._thread.join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._process.wait()


def _result(status: int, output: bytes, messages: bytes) -> bytes:
    if status or b"-----END PGP SIGNATURE-----" not in output:
        said = " ".join(messages.decode("utf-8", "replace").split())[-300:]
        if "No pinentry" in said:
            said = (
                "the key wants a passphrase, and nobody is there to be asked. Let gpg-agent know it beforehand "
                f"(gpg-preset-passphrase), or sign with a subkey that has none: {said}"
            )
        raise GpgError("gpg", f"signing failed: {said or f'status {status}'}")
    return output
