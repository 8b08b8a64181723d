"""What is wrong with the binhosts as a whole, read from what Portage and the fetchcommand said while they were asked.

A binhost that nobody could ask is not one that has nothing: until its index was read, nobody knows whether it has a binary.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from portage_ext import shown
from portage_ext.config import binrepos
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.verdict import BINHOST, HERE, Reason, Remedy
from portage_ext.host.use_origin import setting

CONFIGURATION: Final = "binrepos.conf"
"""In place of a binrepo, where the trouble is with all of them."""
_UNREACHABLE: Final = re.compile(r"^!!! \[(.+?)\] Error fetching binhost package info from '(.*?)'\n!!!\s?\[?\1\]? (.*)$", re.M)
_REFUSED: Final = re.compile(r"^portage-ext fetch: ([\w.+-]+)\b.*\[([a-z0-9-]+)\]\..*$", re.M)
_UNUSABLE: Final = re.compile(r"^!!! \[(.+?)\] Binhost package index +((?:has no|version) .*)$", re.M)
_UNREAD: Final = re.compile(r"^!!! Error while reading binrepo config file: (.*)$", re.M)
_NO_URI: Final = re.compile(r"^!!! Missing sync-uri setting for binrepo (.+)$", re.M)
_GONE: Final = re.compile(r"\b(404|410)\b|\[not-found\]|no such file", re.I)
_SAID: Final = re.compile(r"^(?:!!! .*|\[[^]\n]+\] (?!Local copy of remote index is )\S.*|.*\bXPAK\b.*)$", re.M)


def said(spoken: str) -> tuple[str, ...]:
    """The lines in which emerge complained, each once."""
    return tuple(dict.fromkeys(_SAID.findall(spoken)))


def found(tree: CandidateTree, settings: Any, spoken: str) -> Iterator[tuple[str, Reason]]:
    """Each binrepo about which something was said, and the reason that holds for all of its packages."""
    root = Path(settings["PORTAGE_CONFIGROOT"])
    for match in _UNREAD.finditer(spoken):
        yield CONFIGURATION, unread(match[1], next(iter(binrepos.mistakes(root)), None))
    for match in _NO_URI.finditer(spoken):
        place = binrepos.place(root, match[1], "sync-uri")
        yield (
            match[1],
            Reason("unread", f"[{match[1]}] has no sync-uri, so that Portage passes over it", _edit(place), (place,)),
        )
    for match in _UNREACHABLE.finditer(spoken):
        place = binrepos.place(root, match[1], "sync-uri") or setting(settings, "PORTAGE_BINHOST", match[2])
        yield match[1], unreachable(match[1], match[2], match[3], place)
    for match in _UNUSABLE.finditer(spoken):
        yield match[1], unusable(match[1], match[2])
    for match in _REFUSED.finditer(spoken):
        if match[1] in tree.uris:
            yield match[1], refused(match[1], match[2], match[0].removeprefix("portage-ext fetch: "))


def unread(portage: str, mistake: tuple[str, str] | None) -> Reason:
    """Portage cannot read binrepos.conf, in its own words; ``mistake`` is ``file:line`` and reason, where we find it, too."""
    text = "Portage uses none of binrepos.conf, because it found a mistake there"
    if mistake is None:
        return Reason("unread", text, (), (portage,))
    return Reason("unread", text, _edit(mistake[0]), (f"{mistake[0]}: {mistake[1]}",))


def unreachable(binrepo: str, uri: str, why: str, place: str) -> Reason:
    """The index of a binrepo could not be fetched; ``place`` is where its address is written."""
    steps: list[Remedy] = []
    if uri.partition(":")[0] in ("http", "https", "ftp"):
        steps.append(Remedy(HERE, shown.line(f"wget --spider {shlex.quote(uri.rstrip('/') + '/Packages')}"), look=True))
    if _GONE.search(why):
        steps.append(Remedy(BINHOST, "portage-ext reindex"))
    details = [why]
    if place:
        details.append(f"its address is {shown.line(uri)}, from {place}: start the server there, or correct the address")
        steps += _edit(place, instead=len(steps) > 1)
    return Reason("unreachable", f"could not fetch the index of [{binrepo}]", tuple(steps), tuple(details))


def unusable(binrepo: str, why: str) -> Reason:
    """Portage does not use the index of a binrepo."""
    why = why.rstrip(".").replace("version is", "has a version that is")
    return Reason(
        "unusable", f"Portage cannot use the index of [{binrepo}]: it {why}", (Remedy(BINHOST, "portage-ext reindex --force"),)
    )


def refused(binrepo: str, error: str, why: str) -> Reason:
    """The index of a binrepo was refused; ``error`` is the name that errors/trust.kind_of gives."""
    if error == "expired-release":
        remedy = Remedy(BINHOST, "portage-ext release resign")
    elif error.endswith("-key"):
        remedy = Remedy(HERE, "portage-ext trust list", look=True)
    else:
        remedy = Remedy(BINHOST, "portage-ext release show", look=True)
    return Reason("refused", f"the index of [{binrepo}] is refused [{error}]", (remedy,), (why,))


def _edit(place: str, *, instead: bool = False) -> tuple[Remedy, ...]:
    """The line of a file, for a person to correct."""
    file, _, number = place.rpartition(":")
    if not number.isdigit():
        return ()
    return (Remedy(HERE, f"${{EDITOR:-nano}} +{number} {shlex.quote(file)}", instead=instead),)
