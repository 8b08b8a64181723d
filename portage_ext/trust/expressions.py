"""Dependency expressions are compared in a normal form, so two texts are equal if they mean the same to Portage.

The index has expressions whose USE conditionals were evaluated once or twice; a package may have the text of the ebuild.
Portage removes redundant brackets, but not all in one pass, and writes ``__const__/empty-any-of`` for an any-of group that has
become empty. The normal form is the result of repeating this until nothing changes (use_reduce and paren_enclose of
``portage.dep``; PMS 8.2). The order of the words does not change. No I/O.
"""

from __future__ import annotations

import re
from typing import Final

_FLAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_@-]*", re.ASCII)
_ATOM: Final = re.compile(r"(?P<name>[^:\[]+)(?P<slot>:(?!:)[^:\[]*)?(?:::[^\[]*)?\[(?P<use>[^\]]*)\]")
_USE: Final = re.compile(r"(?P<prefix>[!-]?)(?P<flag>[A-Za-z0-9][A-Za-z0-9+_@-]*(?:\([+-]\))?)(?P<suffix>[?=]?)", re.ASCII)
_ALL, _ANY = "(", "||"
_NOTHING_LEFT: Final = "__const__/empty-any-of"


class _Group:
    """A group in brackets. ``size`` is the number of members after nested groups of the same kind are merged into it."""

    __slots__ = ("active", "kind", "members", "size")

    def __init__(self, kind: str, *, active: bool) -> None:
        self.kind = kind
        self.active = active
        self.members: list[str | _Group] = []
        self.size = 0

    def add(self, member: str | _Group) -> None:
        self.members.append(member)
        self.size += member.size if isinstance(member, _Group) and member.kind == self.kind else 1


def normal(text: str, use: frozenset[str], *, atoms: bool) -> tuple[str, ...]:
    """The words of the normal form of ``text`` with the USE flags ``use`` enabled.

    With ``atoms``, the words are package atoms, and USE dependencies such as [flag?] are evaluated too. Raises ValueError for a
    text whose brackets and operators Portage would refuse.
    """
    stack = [_Group(_ALL, active=True)]
    kind, active, bracket, empty = _ALL, True, False, False
    for word in text.split():
        if word == "(":
            stack.append(_Group(kind, active=active))
            kind, active, bracket, empty = _ALL, True, False, True
            continue
        if bracket or (word == ")" and (empty or len(stack) == 1)) or word == "->":
            raise ValueError(f"{word!r} is out of place")
        empty = False
        if word == ")":
            _close(stack)
        elif word == "||":
            kind, bracket = _ANY, True
        elif word.endswith("?"):
            flag = word[:-1].removeprefix("!")
            if not _FLAG.fullmatch(flag):
                raise ValueError(f"{word!r} names no USE flag")
            active, bracket = (flag in use) is not word.startswith("!"), True
        else:
            stack[-1].add(_evaluated(word, use) if atoms else word)
    if bracket or len(stack) > 1:
        raise ValueError("it ends before it is complete")
    return _words(stack[0])


def _close(stack: list[_Group]) -> None:
    group = stack.pop()
    if not group.active:
        return
    if group.size > 1:
        stack[-1].add(group)
    elif group.members:
        stack[-1].add(group.members[0])
    elif group.kind == _ANY:
        stack[-1].add(_NOTHING_LEFT)


def _words(whole: _Group) -> tuple[str, ...]:
    """The words of ``whole``. This does not recurse, because a foreign index could nest groups deeper than Python can."""
    words: list[str] = []
    waiting: list[tuple[str, str | _Group]] = [(_ALL, member) for member in reversed(whole.members)]
    while waiting:
        outer, member = waiting.pop()
        if isinstance(member, str):
            words.append(member)
            continue
        if member.kind != outer:
            words += [_ANY, "("] if member.kind == _ANY else ["("]
            waiting.append((outer, ")"))
        waiting += [(member.kind, one) for one in reversed(member.members)]
    return tuple(words)


def _evaluated(atom: str, use: frozenset[str]) -> str:
    """``atom`` with its USE conditionals evaluated (PMS 8.3.4).

    As in Portage, an atom that has USE conditionals loses its repository (``::name``).
    """
    match = _ATOM.fullmatch(atom) if atom.endswith("]") else None
    if match is None or not ("?" in match["use"] or "=" in match["use"]):
        return atom
    flags: list[str] = []
    for one in match["use"].split(","):
        part = _USE.fullmatch(one)
        if part is None:
            return atom
        flag, on = part["flag"], part["flag"].partition("(")[0] in use
        match part["prefix"] + part["suffix"]:
            case "?":
                flags += [flag] if on else []
            case "!?":
                flags += [] if on else [f"-{flag}"]
            case "=":
                flags.append(flag if on else f"-{flag}")
            case "!=":
                flags.append(f"-{flag}" if on else flag)
            case "" | "-":
                flags.append(one)
            case _:
                return atom
    return match["name"] + (match["slot"] or "") + (f"[{','.join(flags)}]" if flags else "")
