"""Dependencies are evaluated by Portage's own ``use_reduce``, except for values that it would return unchanged.

Almost all values of built packages have no conditionals, and the same tokens occur again and again. So Portage evaluates each
token once, and a whole value only if it has more than atoms and any-of groups of atoms.
"""

from __future__ import annotations

import re
from typing import Final

from portage_ext.host.probe import Expectation, Function

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("portage.dep:use_reduce", ("depstr",), ("uselist", "token_class")),
    Function("portage.dep:paren_enclose", ("mylist",)),
)
_OPERATORS: Final = re.compile(r"[()|?\[]|->")
_ATOM: Final = re.compile(r"[^()|?^\[\]]+(?:\[[^?=\[\]]*\])?")
"""An atom whose evaluation does not depend on USE; its USE dependencies, if any, have no conditionals."""
_PLAIN: Final = re.compile(
    r"(?:[a-z][a-z0-9]*(?:-[a-z0-9]+)*/[A-Za-z][A-Za-z0-9_]*(?:-[A-Za-z][A-Za-z0-9_]*)*"
    r"|(?:[<>]=?|=|~)[a-z][a-z0-9]*(?:-[a-z0-9]+)*/[A-Za-z][A-Za-z0-9_]*(?:-[A-Za-z][A-Za-z0-9_]*)*-[0-9]+(?:\.[0-9]+)*)"
    r"(?::(?:[A-Za-z0-9][A-Za-z0-9._]*(?:/[A-Za-z0-9][A-Za-z0-9._]*)?=?|=))?"
)
"""Atoms that every Portage accepts and leaves as they are: most of those that occur."""
_FLAGS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_@-]*")
"""Covers every USE flag that Portage accepts in a conditional; more words than flags do no harm."""
_CACHE: Final = 200_000


class DependEvaluator:
    """``(key, value, USE) -> value`` as ``binarytree._eval_use_flags`` makes it. Instances travel to worker processes empty."""

    __slots__ = ("_tokens", "_values")

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}
        self._values: dict[tuple[bool, str, frozenset[str]], str] = {}

    def __reduce__(self) -> tuple[type[DependEvaluator], tuple[()]]:
        return type(self), ()

    def __call__(self, key: str, value: str, use: frozenset[str]) -> str:
        """Raises ValueError with Portage's reason for a value that it refuses; ``value`` has single blanks between tokens."""
        atoms = key.endswith("DEPEND")
        if _OPERATORS.search(value) is None:
            if not atoms:
                return value
            tokens = self._tokens
            try:
                return " ".join([tokens[token] for token in value.split()])
            except KeyError:
                return " ".join([self._token(token) for token in value.split()])
        if atoms and (simple := self._simple(value)) is not None:
            return simple
        # Only the flags that the value names can change the result.
        relevant = use.intersection(_FLAGS.findall(value)) if "?" in value or "=" in value else frozenset[str]()
        known = (atoms, value, relevant)
        result = self._values.get(known)
        if result is None:
            result = _evaluate(value, use, atoms)
            if len(self._values) < _CACHE:
                self._values[known] = result
        return result

    def _simple(self, value: str) -> str | None:
        """The result for a value of atoms and of any-of groups with at least two atoms; None for other values.

        Portage changes nothing but the atoms of such a value.
        """
        words: list[str] = []
        inside = -1  # how many atoms the group has; -1: there is no group, -2: one begins
        for word in value.split():
            if word == "||" and inside == -1:
                inside = -2
            elif word == "(" and inside == -2:
                inside = 0
            elif word == ")" and inside >= 2:
                inside = -1
            elif inside == -2 or "->" in word or not _ATOM.fullmatch(word):
                return None
            else:
                try:
                    word = self._tokens.get(word) or self._token(word)
                except ValueError:
                    return None  # the whole value says better what is wrong
                inside += inside >= 0
            words.append(word)
        return " ".join(words) if inside == -1 else None

    def _token(self, token: str) -> str:
        result = self._tokens.get(token)
        if result is None:
            result = token if _PLAIN.fullmatch(token) else _evaluate(token, frozenset(), True)
            if len(self._tokens) < _CACHE:
                self._tokens[token] = result
        return result


def _evaluate(value: str, use: frozenset[str], atoms: bool) -> str:
    from portage.dep import Atom, paren_enclose, use_reduce
    from portage.exception import InvalidDependString

    try:
        return str(paren_enclose(use_reduce(value, uselist=use, token_class=Atom if atoms else None)))
    except InvalidDependString as error:
        raise ValueError(str(error)) from error
    except RecursionError:
        # One package must not end the run for all others.
        raise ValueError("its groups are nested too deeply for Portage") from None
