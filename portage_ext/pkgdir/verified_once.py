"""One run of gpg answers two questions about a Manifest, if both must have the same answer.

Whether a package has a signature by this host's key is decided by a copy of that key alone (trust/gpg). Whether Portage accepts
the package is decided by Portage's own keyring and options (signatures.py). The first answer is taken from the second run only
for a text with a single good signature by this key, and only if Portage's keyring has exactly our copy of the key and no option
that could make gpg accept more. Everything else is verified by the copy as well (ADR 0303).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from portage_ext import limits
from portage_ext.errors import VerificationUnavailableError
from portage_ext.pkgdir.signatures import SignaturePolicy, dropped, judge, status_of
from portage_ext.records import replace
from portage_ext.trust import gpg
from portage_ext.trust.openpgp import STATUS_PREFIX, Signature
from portage_ext.trust.openpgp import Verdict as Word
from portage_ext.trust.openpgp import signatures as signatures_in

_ONCE: Final = ("NEWSIG", "GOODSIG", "VALIDSIG")
_TRUSTED: Final = frozenset({"TRUST_FULLY", "TRUST_ULTIMATE"})
_ORDINARY: Final = {*_ONCE, *_TRUSTED} | {
    "KEY_CONSIDERED",
    "PLAINTEXT",
    "PLAINTEXT_LENGTH",
    "SIG_ID",
    "VERIFICATION_COMPLIANCE_MODE",
}
"""What gpg says of a single good signature. A notation, a second signature or any doubt adds another word."""
_OPTIONS: Final = frozenset({"--verify", "--batch", "--no-tty", "--yes", "--quiet", "--no-auto-check-trustdb"})
"""The options in Portage's command that change no verdict."""
_CONFIGURED: Final = frozenset(
    {
        "batch",
        "disable-dirmngr",
        "lock-multiple",
        "lock-never",
        "lock-once",
        "no-auto-check-trustdb",
        "no-auto-key-locate",
        "no-auto-key-retrieve",
        "no-autostart",
        "no-greeting",
        "no-permission-warning",
        "no-secmem-warning",
        "no-tty",
        "quiet",
    }
)
"""The options in a gpg.conf that change no verdict: an allow-list, because others accept keys, times and digests that gpg by
itself does not. getuto writes two of them."""


class VerifiedOnce:
    """Verifies texts by Portage's keyring, and keeps what is clear, for one run.

    ``key`` is our public key as exported, ``primary`` its fingerprint. What Portage's keyring accepts without doubt is kept in
    ``policy.accepted``, where the index finds it.
    """

    def __init__(self, policy: SignaturePolicy, key: bytes, primary: str) -> None:
        # The status lines come alone, as from trust/gpg, and not between messages for people.
        self._policy = replace(policy, command=_on_stdout(policy.command))
        self._key = key
        self._primary = primary
        self._usable: bool | None = None
        self._asking = Lock()

    def signatures(self, texts: Sequence[bytes]) -> list[tuple[Signature, ...] | None]:
        """For each of ``texts`` the signatures as :func:`gpg.verify_many` finds them with our key alone; None: ask it."""
        nothing: list[tuple[Signature, ...] | None] = [None] * len(texts)
        if len(texts) < gpg.WORTH_A_GPG:
            return nothing
        try:
            with self._asking:
                if self._usable is None:
                    self._usable = alike(self._policy, self._key, self._primary)
            if not self._usable:
                return nothing
            every = self._status(texts)
        except (VerificationUnavailableError, OSError, KeyError, subprocess.SubprocessError):
            # Who needs Portage's keyring itself says what is wrong with it.
            self._usable = False
            return nothing
        found = [self._clear(text, status) for text, status in zip(texts, every, strict=True)]
        # Packages that somebody else signed would only be verified twice.
        self._usable = any(one is not None for one in found)
        return found

    def _status(self, texts: Sequence[bytes]) -> list[list[str]]:
        from concurrent.futures import ThreadPoolExecutor

        lanes = len(os.sched_getaffinity(0))
        size = min(limits.BATCH, -(-len(texts) // lanes))
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        with ThreadPoolExecutor(lanes) as pool:
            return [one for some in pool.map(lambda part: status_of(part, self._policy, fd=1), parts) for one in some]

    def _clear(self, text: bytes, status: Sequence[str]) -> tuple[Signature, ...] | None:
        found, verdict = derived(status, self._primary), judge(status)
        if found is None or verdict.reason is not None:
            return None
        self._policy.accepted[hashlib.blake2b(text).digest()] = verdict
        return found


def derived(status: Sequence[str], primary: str) -> tuple[Signature, ...] | None:
    """The only signature in the status lines of one text (without their prefix), if it is good, trusted and by ``primary``."""
    words = [line.partition(" ")[0] for line in status]
    if not _ORDINARY.issuperset(words) or any(words.count(word) != 1 for word in _ONCE):
        return None
    if sum(word in _TRUSTED for word in words) != 1:
        return None
    found = signatures_in(STATUS_PREFIX + line for line in status)
    if len(found) != 1 or found[0].verdict is not Word.GOOD or not found[0].by_any_of(frozenset({primary})):
        return None
    return found


def alike(policy: SignaturePolicy, key: bytes, primary: str) -> bool:
    """Whether ``policy`` runs our gpg with no option that matters, over a keyring whose copy of ``primary`` is ``key``.

    Raises OSError, KeyError, subprocess.SubprocessError.
    """
    home = _home(policy)
    program = shutil.which(policy.command[0], path=policy.environment.get("PATH")) if policy.command else None
    ours = shutil.which("gpg", path=gpg.environment().get("PATH"))
    if not policy.verify or home is None or program is None or ours is None or not os.path.samefile(program, ours):
        return False
    for place in (home, _system(program, policy)):
        if not _harmless(place):
            return False
    options = "--export-options=export-minimal,no-export-attributes,export-local-sigs"
    command = [program, "--homedir", str(home), "--batch", "--no-tty", "--quiet", options, "--export", f"0x{primary}"]
    return _output(command, policy) == key


def _home(policy: SignaturePolicy) -> Path | None:
    """The gpg home in Portage's command; None if the command has anything else that could change a verdict."""
    words, homes = list(policy.command[1:]), list[str]()
    while words:
        match words:
            case ["--homedir", home, *rest]:
                homes.append(home)
            case ["--status-fd", "1" | "2", *rest]:
                pass
            case [word, *rest] if word in _OPTIONS:
                pass
            case _:
                return None
        words = rest
    return Path(homes[0]) if len(homes) == 1 else None


def _on_stdout(command: Sequence[str]) -> tuple[str, ...]:
    before = ("", *command)
    return tuple("1" if option == "--status-fd" else word for option, word in zip(before, command, strict=False))


def _system(program: str, policy: SignaturePolicy) -> Path:
    """The directory of gpg's configuration for the whole system."""
    gpgconf = Path(os.path.realpath(program)).with_name("gpgconf")
    return Path(os.fsdecode(_output([str(gpgconf), "--list-dirs", "sysconfdir"], policy).rstrip(b"\n")))


def _harmless(place: Path) -> bool:
    """Whether the configuration of gpg in ``place`` has only options that change no verdict. Raises OSError."""
    try:
        names = os.listdir(place)
    except FileNotFoundError:
        return True
    if any(name == "common.conf" or (name.startswith("gpg.conf") and name != "gpg.conf") for name in names):
        return False
    if "gpg.conf" not in names:
        return True
    lines = (line.strip() for line in (place / "gpg.conf").read_bytes().decode("latin-1").split("\n"))
    return all(not line or line.startswith("#") or line.removeprefix("--") in _CONFIGURED for line in lines)


def _output(command: Sequence[str], policy: SignaturePolicy) -> bytes:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(policy.environment),
        timeout=limits.GPG_TIMEOUT,
        check=False,
        **dropped(policy),
    ).stdout
