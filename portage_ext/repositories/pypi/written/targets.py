"""PYTHON_COMPAT has every Python that the ebuild repository supports and Requires-Python allows.

Classifiers do not exclude a Python, because projects only list the Pythons that existed at their release, and a package that
cannot be installed for the system's Python is useless. A Python without a classifier is reported, so that a person tests it
(ADR 0903).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from packaging.specifiers import SpecifierSet

DEFAULT: Final = ("python3_11", "python3_12", "python3_13", "python3_14")
"""The targets if there is no python-utils-r1.eclass."""
_LIST: Final = re.compile(r"^_PYTHON_ALL_IMPLS=\(([^)]{1,1000})\)", re.M)
_RANGE: Final = re.compile(r"python3_(?:([0-9]{1,3})|\{([0-9]{1,3})\.\.([0-9]{1,3})\}|\{([0-9]{1,3}(?:,[0-9]{1,3}){1,20})\})")
_CLASSIFIER: Final = re.compile(r"Programming Language :: Python :: 3\.([0-9]{1,3})")


def known(eclass: str) -> tuple[str, ...]:
    """The CPython targets in the text of python-utils-r1.eclass, oldest first, without PyPy and free-threaded builds."""
    match = _LIST.search(eclass)
    minors: set[int] = set()
    for word in match[1].split() if match else ():
        if (one := _RANGE.fullmatch(word)) is None:
            continue
        if one[1]:
            minors.add(int(one[1]))
        elif one[2]:
            minors.update(range(int(one[2]), min(int(one[3]), int(one[2]) + 50) + 1))
        else:
            minors.update(map(int, one[4].split(",")))
    return tuple(f"python3_{minor}" for minor in sorted(minors)) or DEFAULT


def minor(target: str) -> int:
    """The minor version of a target: 12 for ``python3_12``."""
    return int(target.removeprefix("python3_"))


def compatible(targets: Iterable[str], requires_python: SpecifierSet) -> tuple[str, ...]:
    """Those of ``targets`` for which at least one Python release satisfies Requires-Python."""
    return tuple(one for one in targets if any(requires_python.contains(full, prereleases=True) for full in releases(one)))


def releases(target: str) -> tuple[str, str]:
    """The first and a late release of a Python target. A condition applies to the target if it is true for either."""
    return f"3.{minor(target)}.0", f"3.{minor(target)}.99"


def unnamed(targets: Iterable[str], classifiers: Iterable[str]) -> tuple[str, ...]:
    """Those of ``targets`` that the project's classifiers do not list; none if they list no minor version at all."""
    named = {int(match[1]) for one in classifiers if (match := _CLASSIFIER.fullmatch(one))}
    return tuple(one for one in targets if minor(one) not in named) if named else ()


def words(targets: Sequence[str]) -> str:
    """The text between the parentheses of PYTHON_COMPAT, for example ``python3_{11..13} python3_15``."""
    groups: list[list[int]] = []
    for one in sorted(map(minor, targets)):
        if groups and groups[-1][-1] == one - 1:
            groups[-1].append(one)
        else:
            groups.append([one])
    return " ".join(f"python3_{{{group[0]}..{group[-1]}}}" if len(group) > 1 else f"python3_{group[0]}" for group in groups)
