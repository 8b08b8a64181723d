"""What an overlay says below profiles/ reaches as far as the packages that were picked from it, and no further.

Portage lets an overlay act on the whole system: moves rename installed packages, licence groups widen ACCEPT_LICENSE, mirrors
and categories count for all repositories, and a package.unmask beats the user's own mask. What is kept here is what the picked
packages themselves need; a package.unmask is never kept.
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
"""Files whose lines begin with an atom."""
BY_FLAG: Final = ("use.force", "use.mask", "use.stable.force", "use.stable.mask")
"""Files with a flag a line; Portage applies them to packages of the repository that has them."""
REFUSED: Final = ("package.unmask", "package.provided", "arch.list", "profiles.desc", "info_pkgs", "info_vars")
"""Files that are never copied."""
_MIRROR: Final = re.compile(r"mirror://([^/\s]+)/")
_FLAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_@-]*")


@dataclass(frozen=True, slots=True)
class Picked:
    """What the picked packages need of profiles/: their names, USE flags, mirrors and licences."""

    packages: frozenset[str]
    flags: frozenset[str] = field(default_factory=frozenset)
    mirrors: frozenset[str] = field(default_factory=frozenset)
    licences: frozenset[str] = field(default_factory=frozenset)


def picked(packages: Iterable[str], metadata: Iterable[Metadata]) -> Picked:
    """The needs of ``packages``, whose ebuilds say ``metadata``."""
    flags: set[str] = set()
    mirrors: set[str] = set()
    licences: set[str] = set()
    for one in metadata:
        flags.update(word.lstrip("+-") for word in one["IUSE"].split())
        mirrors.update(_MIRROR.findall(one["SRC_URI"]))
        licences.update(word for word in one["LICENSE"].split() if word not in ("(", ")", "||") and not word.endswith("?"))
    return Picked(frozenset(packages), frozenset(flags), frozenset(mirrors), frozenset(licences))


def by_package(text: str, packages: Collection[str]) -> str:
    """The lines for ``packages``; the comments above a line stay with it. ``-atom`` takes back what a master says."""
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
    """The mirrors that are ``used`` and that no other repository names."""
    return _filtered(text, lambda words: words[0] in used and words[0] not in others)


def licence_groups(text: str, used: Collection[str], others: Collection[str]) -> str:
    """The groups, each with those licences that are ``used`` and that no other repository has."""
    lines = []
    for line in _lines(text):
        words = line.split()
        kept = [one for one in words[1:] if one in used and one not in others]
        if kept and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*", words[0]):
            lines.append(" ".join((words[0], *kept)))
    return "".join(f"{line}\n" for line in lines)


def moves(texts: Mapping[str, str], packages: Collection[str], elsewhere: Callable[[str], bool]) -> dict[str, str]:
    """The files of profiles/updates, each with its moves to, and slot moves of, ``packages``.

    A move of a package that another repository has (``elsewhere``) is not kept: it would rename what is installed from there.
    """
    kept: dict[str, list[str]] = {}
    # Backwards, since a package may be moved twice: what was moved on to a picked one counts as picked.
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
    """The packages that a move would rename to one of ``packages``."""
    lines = (line.split() for text in texts.values() for line in _lines(text))
    return {words[1] for words in lines if words[0] == "move" and len(words) == 3 and words[2] in packages}


def moved(texts: Mapping[str, str], cp: str) -> str:
    """The name that ``cp`` has after all moves; ``cp`` itself when there are none."""
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
    """Portage applies ``1Q-2024`` before ``2Q-2024``, and years in their order."""
    quarter, _, year = name.partition("-")
    return year, quarter


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.partition("#")[0].strip()
        if words and words.isprintable():
            yield words


def _filtered(text: str, keep: Callable[[list[str]], bool]) -> str:
    """The lines that ``keep``, with the comments directly above them."""
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
