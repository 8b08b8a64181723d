"""The files of an overlay below profiles/ are filtered so that they affect only the packages that were picked from it.

In Portage, an overlay can affect the whole system: moves rename installed packages, licence groups extend ACCEPT_LICENSE,
mirrors and categories apply to all repositories, and a package.unmask overrides the user's own mask. Only what the picked
packages need is kept here. A package.unmask is never kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from portage_ext.repositories.cache import Metadata
from portage_ext.repositories.pick.needs import Need

BY_PACKAGE: Final = (
    "package.mask", "package.deprecated", "package.use", "package.use.force", "package.use.mask", "package.use.stable.force",
    "package.use.stable.mask",
)  # fmt: skip
"""Files in which each line begins with an atom."""
BY_FLAG: Final = ("use.force", "use.mask", "use.stable.force", "use.stable.mask")
"""Files with one flag per line. Portage applies them to the packages of the same repository."""
REFUSED: Final = ("package.unmask", "package.provided", "arch.list", "profiles.desc", "info_pkgs", "info_vars")
"""Files that are never copied."""
_MIRROR: Final = re.compile(r"mirror://([^/\s]+)/")
_FLAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_@-]*")


@dataclass(frozen=True, slots=True)
class Picked:
    """What the picked packages need from profiles/: their names, USE flags, mirrors and licences."""

    packages: frozenset[str]
    flags: frozenset[str] = field(default_factory=frozenset)
    mirrors: frozenset[str] = field(default_factory=frozenset)
    licences: frozenset[str] = field(default_factory=frozenset)


def picked(packages: Iterable[str], metadata: Iterable[Metadata]) -> Picked:
    """What ``packages`` need; ``metadata`` is that of their ebuilds."""
    flags: set[str] = set()
    mirrors: set[str] = set()
    licences: set[str] = set()
    for one in metadata:
        flags.update(word.lstrip("+-") for word in one["IUSE"].split())
        mirrors.update(_MIRROR.findall(one["SRC_URI"]))
        licences.update(word for word in one["LICENSE"].split() if word not in ("(", ")", "||") and not word.endswith("?"))
    return Picked(frozenset(packages), frozenset(flags), frozenset(mirrors), frozenset(licences))


def by_package(text: str, packages: Collection[str]) -> str:
    """The lines for ``packages`` with the comments above them. A line ``-atom`` cancels a line of a master, and is kept too."""
    return _filtered(text, lambda words: Need(words[0].lstrip("-")).cp in packages)


def by_flag(text: str, flags: Collection[str]) -> str:
    """The lines for ``flags``."""
    return _filtered(text, lambda words: words[0].lstrip("-") in flags)


def descriptions(text: str, flags: Collection[str]) -> str:
    """The lines ``flag - description`` (use.desc) for ``flags``."""
    return _filtered(text, lambda words: words[0] in flags)


def local_descriptions(text: str, packages: Collection[str]) -> str:
    """The lines ``category/name:flag - description`` (use.local.desc) for ``packages``."""
    return _filtered(text, lambda words: words[0].partition(":")[0] in packages)


def mirrors(text: str, used: Collection[str], others: Collection[str]) -> str:
    """The mirrors that are ``used`` and that no other repository defines."""
    return _filtered(text, lambda words: words[0] in used and words[0] not in others)


def licence_groups(text: str, used: Collection[str], others: Collection[str]) -> str:
    """The licence groups, reduced to licences that are ``used`` and that no other repository has."""
    lines = []
    for line in _lines(text):
        words = line.split()
        kept = [one for one in words[1:] if one in used and one not in others]
        if kept and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*", words[0]):
            lines.append(" ".join((words[0], *kept)))
    return "".join(f"{line}\n" for line in lines)


def moves(texts: Mapping[str, str], packages: Collection[str], elsewhere: Callable[[str], bool]) -> dict[str, str]:
    """The files of profiles/updates, reduced to moves to ``packages`` and slot moves of ``packages``.

    The move of a package that another repository has (``elsewhere``) is left out, because it would rename packages that were
    installed from there.
    """
    kept: dict[str, list[str]] = {}
    # Read the files backwards, because a package may be moved twice: a name that was later moved to a picked package counts
    # too.
    reached = set(packages)
    for name in sorted(texts, key=_quarter, reverse=True):
        for line in reversed(list(_lines(texts[name]))):
            words = line.split()
            if words[0] == "move" and len(words) == 3 and words[2] in reached and not elsewhere(words[1]):
                reached.add(words[1])
            elif words[0] != "slotmove" or len(words) != 4 or Need(words[1]).cp not in reached:
                continue
            kept.setdefault(name, []).insert(0, " ".join(words))
    return {name: "".join(f"{line}\n" for line in lines) for name, lines in sorted(kept.items())}


def taken_over(texts: Mapping[str, str], packages: Collection[str]) -> set[str]:
    """The old names of packages that a move would rename to one of ``packages``."""
    lines = (line.split() for text in texts.values() for line in _lines(text))
    return {words[1] for words in lines if words[0] == "move" and len(words) == 3 and words[2] in packages}


def moved(texts: Mapping[str, str], cp: str) -> str:
    """The name of ``cp`` after all moves; ``cp`` itself if there are none."""
    for name in sorted(texts, key=_quarter):
        for line in _lines(texts[name]):
            words = line.split()
            if words[0] == "move" and len(words) == 3 and words[1] == cp:
                cp = words[2]
    return cp


def flags_of(expand: str, flags: Iterable[str]) -> frozenset[str]:
    """The values of the USE_EXPAND variable ``expand`` (in lower case) among ``flags``."""
    prefix = f"{expand}_"
    return frozenset(flag.removeprefix(prefix) for flag in flags if flag.startswith(prefix))


def _quarter(name: str) -> tuple[str, str]:
    """A sort key for files such as ``1Q-2024``: Portage applies them by year and then by quarter."""
    quarter, _, year = name.partition("-")
    return year, quarter


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.partition("#")[0].strip()
        if words and words.isprintable():
            yield words


def _filtered(text: str, keep: Callable[[list[str]], bool]) -> str:
    """The lines for which ``keep`` returns True, with the comments directly above them."""
    kept: list[str] = []
    comments: list[str] = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not line.isprintable() and "\t" not in line:
            continue
        if line.lstrip().startswith("#"):
            comments.append(line)
        elif not words:
            comments.clear()
        elif keep(words):
            kept += [*comments, line]
            comments.clear()
    return "".join(f"{line}\n" for line in kept)
