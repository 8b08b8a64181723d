"""gpg as a verifier: bytes and keyring files go in, one value per signature comes out.

gpg runs with nothing of anybody's: no home, no options, no trust database, no network, no lock; so it works the same
for root and for an ordinary user, and nobody's gpg.conf can soften it. It is run directly, since python-gnupg folds the
status lines of several signatures into one verdict, and since it cannot check many files in one process. gpg, not gpgv,
because gpgv does not look at the expiry and revocation of keys.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext import limits, locks
from portage_ext.errors.here import MissingGpgError
from portage_ext.errors.trust import GpgError, TrustError
from portage_ext.trust import openpgp
from portage_ext.trust.openpgp import STATUS_PREFIX, Signature, signatures

if TYPE_CHECKING:
    from portage_ext.gpkg.verify import Judge

_VERIFY: Final = (
    "--no-options",
    "--batch",
    "--no-tty",
    "--quiet",
    "--no-default-keyring",
    "--trust-model=always",
    "--no-auto-key-locate",
    "--no-auto-check-trustdb",
    "--disable-dirmngr",
    "--lock-never",
    "--no-permission-warning",
    "--status-fd=1",
)


def environment() -> dict[str, str]:
    """The environment for every gpg that we run: messages untranslated, no variable that redirects it."""
    kept = ("PATH", "HOME", "TERM", "GPG_TTY", "LANG", "SSH_AUTH_SOCK", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C.UTF-8"}


def verify_detached(keyrings: Iterable[Path], signature: bytes, data: bytes) -> tuple[Signature, ...]:
    """The verdicts on a detached ``signature`` over ``data``, by the keys in ``keyrings`` (files). Raises GpgError."""
    with ExitStack() as stack:
        fds = [stack.enter_context(_in_memory(content)) for content in (signature, data)]
        return signatures(_run(keyrings, ["--verify", *(f"/proc/self/fd/{fd}" for fd in fds)], fds))


def verify_clearsigned(keyrings: Iterable[Path], text: bytes) -> tuple[Signature, ...]:
    """The verdicts on a clear-signed ``text``. Raises GpgError."""
    with _in_memory(text) as fd:
        return signatures(_run(keyrings, ["--verify", f"/proc/self/fd/{fd}"], [fd]))


def verify_many(keyrings: Iterable[Path], texts: Sequence[bytes]) -> list[tuple[Signature, ...]]:
    """The verdicts on many clear-signed ``texts``, in their order, by one gpg. Raises GpgError."""
    if not texts:
        return []
    with tempfile.TemporaryDirectory(prefix="portage-ext.") as directory:
        paths = [os.path.join(directory, str(number)) for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            with open(path, "wb") as file:
                file.write(text)
        found: dict[str, list[str]] = {}
        while waiting := [path for path in paths if path not in found]:
            # gpg ends at the first bad signature; the files behind it are for the next run.
            before = len(found)
            found |= _by_file(_run(keyrings, ["--multifile", "--verify", *waiting], []), frozenset(waiting))
            if len(found) == before:
                raise GpgError("gpg", f"gpg did not look at {len(waiting)} of {len(paths)} signatures")
    return [signatures(found[path]) for path in paths]


def _by_file(status: Iterable[str], paths: frozenset[str]) -> dict[str, list[str]]:
    """The status lines of each file that gpg came to."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in status:
        if line.startswith(f"{STATUS_PREFIX}FILE_START "):
            path = line.split(" ", 3)[-1]
            current = found.setdefault(path, []) if path in paths else None
        elif line.startswith(f"{STATUS_PREFIX}FILE_DONE"):
            current = None
        elif current is not None:
            current.append(line)
    return found


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """A file that exists nowhere but in memory: nobody can change it between check and use."""
    fd = os.memfd_create("portage-ext", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _run(keyrings: Iterable[Path], arguments: Sequence[str], fds: Sequence[int]) -> list[str]:
    """gpg's status lines. Verdicts count, not its exit status; one that fails without a verdict is an error."""
    present = [str(path) for path in keyrings if path.is_file()]
    with tempfile.TemporaryDirectory(prefix="portage-ext.gpg.") as home:
        # A gpg without a keyring makes one; an empty one in the passing home keeps it from that.
        rings = present or [os.path.join(home, "empty.gpg")]
        if not present:
            Path(rings[0]).touch()
        command = ["gpg", "--homedir", home, *_VERIFY, *(f"--keyring={ring}" for ring in rings), *arguments]
        code, status, messages = run(command, fds, "it checks signatures")
    if code and STATUS_PREFIX.encode() not in status:
        # Of bytes without a signature it says NODATA, so that silence is never "unsigned".
        last = messages.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise GpgError("gpg", f"gpg ended with status {code} and said nothing of the signature{f': {last}' if last else ''}")
    if len(status) > limits.MAX_GPG_STATUS and "--multifile" not in arguments:
        raise GpgError("gpg", "gpg reported more than can be believed of one file")
    return status.decode("utf-8", "replace").split("\n")


def run(command: Sequence[str], fds: Sequence[int] = (), what: str = "") -> tuple[int, bytes, bytes]:
    """Exit status and output of a gpg that reads no standard input; ``what`` it does is said when it lasts. Raises GpgError."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=fds,
            env=environment(),
        )
    except FileNotFoundError:
        raise MissingGpgError("gpg", "it is not installed or not on PATH") from None
    output, messages = finished(process, None, limits.GPG_TIMEOUT, what)
    return process.returncode, output, messages


def finished(process: subprocess.Popen[bytes], data: bytes | None, seconds: float, what: str) -> tuple[bytes, bytes]:
    """What a gpg printed that gets ``data`` on standard input.

    ``what`` it does is said when it lasts, and after ``seconds`` it is ended. Raises GpgError.
    """
    with process:
        try:
            try:
                return process.communicate(data, timeout=limits.LOCK_SILENT)
            except subprocess.TimeoutExpired:
                left = seconds - limits.LOCK_SILENT
                locks.tell(f"waiting for gpg: {what}; for {left:.0f} s more at most")
                return process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            raise GpgError("gpg", f"gpg did not finish in {seconds:g} s, and was ended") from None
        finally:
            process.kill()


def judge_many(keyrings: Sequence[Path], trusted: frozenset[str]) -> Judge:
    """A judge of many clear-signed texts by one gpg: says of each why it is not believed, None when it is."""

    def judge(texts: Sequence[bytes], names: Sequence[str]) -> list[TrustError | None]:
        reasons: list[TrustError | None] = []
        for found, name in zip(verify_many(keyrings, texts), names, strict=True):
            try:
                openpgp.judge(found, trusted, name)
            except TrustError as error:
                reasons.append(error)
            else:
                reasons.append(None)
        return reasons

    return judge
