"""gpg verifies here without any user's configuration: it gets bytes and keyring files, and returns one value per signature.

It runs with no home of a user, no option file, no trust database, no network and no lock. So it behaves the same for root and
for an ordinary user, and no gpg.conf can weaken it. We run gpg directly, because python-gnupg merges the status lines of
several signatures into one verdict and cannot check many files in one process. We use gpg and not gpgv, because gpgv ignores
the expiry and revocation of keys.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from portage_ext import files, limits, locks
from portage_ext.errors.here import MissingGpgError
from portage_ext.errors.trust import GpgError, TrustError
from portage_ext.files import in_memory
from portage_ext.trust import openpgp
from portage_ext.trust.openpgp import STATUS_PREFIX, Signature, signatures

if TYPE_CHECKING:
    from portage_ext.gpkg.verify import Judge

Elsewhere = Callable[[Sequence[bytes]], Sequence["tuple[Signature, ...] | None"]]

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

_CRASHED: Final = f"{STATUS_PREFIX}{openpgp.Verdict.CRASHED.value} {'0' * 16}"
"""Stands for what gpg would have said of a file at which it was killed twice."""

WORTH_A_GPG: Final = 32
"""Checking this many signatures takes longer than starting another gpg, so it is worth a process of its own."""


def environment() -> dict[str, str]:
    """The environment for every gpg that we run: messages are not translated, and no variable changes its files or options."""
    kept = ("PATH", "HOME", "TERM", "GPG_TTY", "LANG", "SSH_AUTH_SOCK", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C.UTF-8"}


def verify_detached(keyrings: Iterable[Path], signature: bytes, data: bytes) -> tuple[Signature, ...]:
    """The verdicts on a detached ``signature`` over ``data``, by the keys in ``keyrings`` (files). Raises GpgError."""
    with ExitStack() as stack:
        fds = [stack.enter_context(in_memory(content)) for content in (signature, data)]
        return _of_one(keyrings, ["--verify", *(f"/proc/self/fd/{fd}" for fd in fds)], fds)


def verify_file(keyrings: Iterable[Path], signature: bytes, file: IO[bytes]) -> tuple[Signature, ...]:
    """The verdicts on a detached ``signature`` over an open ``file`` of any size, from its beginning. Raises GpgError."""
    with in_memory(signature) as fd:
        fds = [fd, file.fileno()]  # gpg opens them again by name, so it reads from the beginning
        return _of_one(keyrings, ["--verify", *(f"/proc/self/fd/{one}" for one in fds)], fds)


def verify_clearsigned(keyrings: Iterable[Path], text: bytes) -> tuple[Signature, ...]:
    """The verdicts on a clear-signed ``text``. Raises GpgError."""
    with in_memory(text) as fd:
        return _of_one(keyrings, ["--verify", f"/proc/self/fd/{fd}"], [fd])


def _of_one(keyrings: Iterable[Path], arguments: Sequence[str], fds: Sequence[int]) -> tuple[Signature, ...]:
    code, status = _run(keyrings, arguments, fds)
    if code < 0:
        raise GpgError("gpg", f"gpg was ended by signal {-code} before it had said everything of the signature")
    return signatures(status)


def verify_many(keyrings: Iterable[Path], texts: Sequence[bytes]) -> list[tuple[Signature, ...]]:
    """The verdicts on many clear-signed ``texts``, in the same order. Up to one gpg per CPU runs. Raises GpgError."""
    rings = list(keyrings)
    if len(texts) < WORTH_A_GPG:
        return _verified(rings, texts)
    from concurrent.futures import ThreadPoolExecutor

    lanes = len(os.sched_getaffinity(0))
    size = min(limits.BATCH, -(-len(texts) // lanes))
    parts = [texts[start : start + size] for start in range(0, len(texts), size)]
    with files.temporary() as directory, ThreadPoolExecutor(lanes) as pool:
        copies = _checked_once(rings, Path(directory))
        return [one for some in pool.map(lambda part: _verified(copies, part), parts) for one in some]


def _checked_once(keyrings: Iterable[Path], directory: Path) -> list[Path]:
    """Copies of ``keyrings`` in ``directory`` in which gpg has recorded that it checked the keys' self-signatures.

    Without this record, gpg checks them again for each file: 2.0 ms a file instead of 0.6.
    """
    copies: list[Path] = []
    for number, ring in enumerate(keyrings):
        if ring.is_file():
            copy = directory / f"ring-{number}.gpg"
            copy.write_bytes(ring.read_bytes())
            copies.append(copy)
    if copies:
        # The result is ignored: if this fails, verification with the copies is slower, but still correct.
        words = [f"--keyring={copy}" for copy in copies]
        run(["gpg", "--homedir", str(directory), *_VERIFY, *words, "--rebuild-keydb-caches"], what="it checks keys")
    return copies


def _verified(keyrings: Sequence[Path], texts: Sequence[bytes]) -> list[tuple[Signature, ...]]:
    """The verdicts on ``texts``, checked by one gpg at a time."""
    with ExitStack() as stack:
        fds = [stack.enter_context(in_memory(text)) for text in texts]
        paths, found = [f"/proc/self/fd/{fd}" for fd in fds], dict[str, list[str]]()
        while waiting := [path for path in paths if path not in found]:
            # gpg exits at the first bad signature, so the files after it are checked in the next round. One file at which
            # gpg crashes does not keep it from all others.
            found |= _reached(keyrings, waiting, fds) or _reached(keyrings, waiting[:1], fds) or {waiting[0]: [_CRASHED]}
    return [signatures(found[path]) for path in paths]


def _reached(keyrings: Iterable[Path], paths: Sequence[str], fds: Sequence[int]) -> dict[str, list[str]]:
    """The status lines of each file that gpg processed, by path; at least one, unless gpg was killed at the first."""
    code, status = _run(keyrings, ["--multifile", "--verify", *paths], fds)
    found: dict[str, list[str]] = {}
    current = ""
    for line in status:
        if line.startswith(f"{STATUS_PREFIX}FILE_START "):
            path = line.split(" ", 3)[-1]
            current = path if path in paths else ""
            if current:
                found.setdefault(current, [])
        elif line.startswith(f"{STATUS_PREFIX}FILE_DONE"):
            current = ""
        elif current:
            found[current].append(line)
    if code < 0 and current:
        # What a killed gpg has not said yet of this file is not known.
        del found[current]
    elif not found:
        raise GpgError("gpg", f"gpg did not look at {len(paths)} signatures")
    return found


def _run(keyrings: Iterable[Path], arguments: Sequence[str], fds: Sequence[int]) -> tuple[int, list[str]]:
    """Run gpg and return its exit status and its status lines.

    The verdicts in them decide, not the exit status. If gpg fails and prints no verdict, GpgError is raised.
    """
    present = [str(path) for path in keyrings if path.is_file()]
    with files.temporary() as home:
        # gpg creates a default keyring if it is given none, so we give it an empty one in the temporary home.
        rings = present or [os.path.join(home, "empty.gpg")]
        if not present:
            Path(rings[0]).touch()
        command = ["gpg", "--homedir", home, *_VERIFY, *(f"--keyring={ring}" for ring in rings), *arguments]
        code, status, messages = run(command, fds, "it checks signatures")
    if code and STATUS_PREFIX.encode() not in status:
        # For bytes without a signature gpg prints NODATA. So no output at all means that gpg failed, not "unsigned".
        last = messages.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise GpgError("gpg", f"gpg ended with status {code} and said nothing of the signature{f': {last}' if last else ''}")
    if len(status) > limits.MAX_GPG_STATUS and "--multifile" not in arguments:
        raise GpgError("gpg", "gpg reported more than can be believed of one file")
    return code, status.decode("utf-8", "replace").split("\n")


def run(command: Sequence[str], fds: Sequence[int] = (), what: str = "") -> tuple[int, bytes, bytes]:
    """Run gpg without standard input and return its exit status, output and error output.

    If it takes long, the user is told ``what`` it does. Raises GpgError.
    """
    # The output goes to a file, because gpg writes twenty single lines per signature, and with a pipe this process would wake
    # up for each of them.
    with in_memory() as said:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.PIPE,
                pass_fds=fds,
                env=environment(),
            )
        except FileNotFoundError:
            raise MissingGpgError("gpg", "it is not installed or not on PATH") from None
        _, messages = finished(process, None, limits.GPG_TIMEOUT, what)
        with open(said, "rb", closefd=False) as file:
            file.seek(0)
            return process.returncode, file.read(), messages


def finished(process: subprocess.Popen[bytes], data: bytes | None, seconds: float, what: str) -> tuple[bytes, bytes]:
    """Give gpg ``data`` on standard input, wait for it, and return its output and error output.

    If it takes long, the user is told ``what`` it does; after ``seconds`` it is killed. Raises GpgError.
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


def judge_many(
    keyrings: Sequence[Path],
    trusted: frozenset[str],
    known: dict[bytes, tuple[Signature, ...]] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Judge:
    """Return a function that judges many clear-signed texts: for each, the reason why it is not trusted, or None if it is.

    ``known`` maps digests of texts to the verdicts of gpg with these keyrings in this run. A text found there is not given to
    gpg again, and new verdicts are added to it. ``elsewhere`` is asked first: it returns for each text what
    gpg would say with these keyrings, or None.
    """
    known = {} if known is None else known

    def judge(texts: Sequence[bytes], names: Sequence[str]) -> list[TrustError | None]:
        digests = [hashlib.blake2b(text).digest() for text in texts]
        new = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in known}
        if new:
            if elsewhere is not None:
                said = zip(list(new), elsewhere(list(new.values())), strict=True)
                known.update((digest, found) for digest, found in said if found is not None)
            rest = [digest for digest in new if digest not in known]
            known.update(zip(rest, verify_many(keyrings, [new[digest] for digest in rest]), strict=True))
        reasons: list[TrustError | None] = []
        for digest, name in zip(digests, names, strict=True):
            try:
                openpgp.judge(known[digest], trusted, name)
            except TrustError as error:
                reasons.append(error)
            else:
                reasons.append(None)
        return reasons

    return judge
