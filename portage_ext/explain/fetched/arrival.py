"""What fetching a package on trial showed becomes reasons. emerge stops at each of them: it does not compile instead.

Values in, reasons out: fetched, compared and verified it is in ``explain/fetched/trial``. No remedy ever trusts a key: whose it
is, a person has to find out elsewhere than from the binhost.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from portage_ext.explain.verdict import BINHOST, HERE, Offer, Reason, Remedy

_MISSING: Final = re.compile(r"\b(404|410)\b|\[not-found\]|no such file|file not found|\b550\b", re.I)
_TRUST: Final = re.compile(r"\[(unsigned|no-pinned-key|(?:expired|revoked|unknown|untrusted)-key|[a-z-]*signature)\]")
_BAD: Final = "BAD"
_JUDGED: Final = {
    _BAD: "does not fit the package",
    "EXPIRED_SIGNATURE": "has expired",
    "EXPIRED_KEY": "is of a key that has expired",
    "REVOKED_KEY": "is of a key that was revoked",
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a package, as far as gpg can say: the fingerprint or id of the key, and gpg's verdict (``trust.openpgp``)."""

    key: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a package came from: ``again`` repeats the fetch by hand, ``published`` when the binhost publishes releases."""

    offer: Offer
    uri: str
    again: str
    published: bool

    def there(self, command: str, *, instead: bool = False) -> Remedy:
        """A remedy on the binhost, whose clients see it only in the next release."""
        return Remedy(BINHOST, f"{command} && portage-ext publish" if self.published else command, instead=instead)

    def rebuild(self, *, instead: bool = False) -> Remedy:
        sign = " && portage-ext sign" if self.published else ""
        return self.there(f"emerge --oneshot --buildpkg {shlex.quote('=' + self.offer.cpv)}{sign}", instead=instead)


def failed(source: Source, status: int, said: Sequence[str]) -> Reason:
    """The fetch command ended with ``status``; ``said`` are its last lines."""
    words = " ".join(said)
    if judged := _TRUST.search(words):
        remedy = (
            source.there("portage-ext sign") if judged[1] == "unsigned" else Remedy(HERE, "portage-ext trust list", look=True)
        )
        return Reason("signature", f"its signature is refused [{judged[1]}]", (remedy,), tuple(said))
    if _MISSING.search(words):
        steps = (source.there("portage-ext reindex"), source.rebuild(instead=True))
        return Reason("fetch", "the index lists it, the server does not have it", steps, (source.uri, *said))
    last = said[-1] if said else "it said nothing"
    return Reason(
        "fetch", f"cannot be fetched (status {status}): {last}", (Remedy(HERE, source.again),), (source.uri, *said[:-1])
    )


def lost(source: Source) -> Reason:
    """The fetch command says that all is well, and there is no file."""
    return Reason("fetch", "the fetch command succeeds and leaves no file", (Remedy(HERE, source.again),), (source.uri,))


def undigested(source: Source) -> Reason:
    """Portage takes no package whose index entry lacks a size or every digest."""
    return Reason("fetch", "its index entry has no size or no digest", (source.there("portage-ext reindex"),), (source.uri,))


def differs(source: Source, name: str, got: object, expected: object, *, whole: bool) -> Reason:
    """The file is not what the index says. ``whole``: it is a package all the same, so that the index is what is wrong."""
    first = source.there("portage-ext reindex") if whole else source.rebuild()
    told = "another package than the index describes" if whole else "damaged, and not what the index describes"
    return Reason(
        "fetch", f"arrives {told} ({name} differs)", (first,), (source.uri, f"{name}: {got}; in the index: {expected}")
    )


def damaged(source: Source, why: str) -> Reason:
    """The file is what the index says, and no package that Portage takes."""
    return Reason("fetch", "arrives as the index describes it, and is no valid package", (source.rebuild(),), (source.uri, why))


def downloaded(source: Source, path: str, reason: Reason) -> Reason:
    """``reason`` holds for a file that was fetched before and is used again: fetched anew it may be another."""
    return Reason(
        reason.kind, reason.text, (Remedy(HERE, f"rm {shlex.quote(path)}"), *reason.remedies), (path, *reason.details)
    )


def unsigned(source: Source) -> Reason:
    """Portage asks for a signature, and there is none."""
    asks = f"is not signed, and a signature is asked for of [{source.offer.binrepo}]"
    return Reason("signature", asks, (source.there("portage-ext sign"),), (source.uri,))


def not_accepted(source: Source, found: Sequence[Signer], keyring: str, why: str) -> Reason:
    """There is a signature and Portage does not accept it; ``found`` is what gpg says of it, ``why`` what Portage says."""
    keys = ", ".join(dict.fromkeys(one.key for one in found)) or "nobody knows whom"
    details = (source.uri, why)
    keys_here = f"gpg --homedir {shlex.quote(keyring)} --list-keys"
    look = (Remedy(HERE, "portage-ext trust list", look=True), Remedy(HERE, keys_here, look=True))
    if any(one.verdict == _BAD for one in found):
        return Reason("signature", f"its signature by {keys} {_JUDGED[_BAD]}", (source.rebuild(),), details)
    again = source.there("portage-ext sign", instead=True)
    judged = next((_JUDGED[one.verdict] for one in found if one.verdict in _JUDGED), "")
    text = f"its signature by {keys} {judged}" if judged else f"signed by {keys}, which {keyring} does not trust"
    return Reason("signature", text, (*look, again), details)
