"""The licences that ACCEPT_LICENSE accepts (make.conf(5), GLEP 23): words in their order, groups by their members. Pure.

Two hosts are compared by the accepted licences, not by the text of the setting.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

Groups = Mapping[str, frozenset[str]]
"""``@GROUP`` to all licences in it; a group that is absent counts as a licence of that name."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The licences in ``names``, or with ``everything`` all but those."""

    everything: bool
    names: frozenset[str]

    def __contains__(self, licence: str) -> bool:
        return (licence in self.names) is not self.everything


def accepted(words: Sequence[str], groups: Groups) -> Accepted:
    """What ``words`` accept: the last word on a licence counts, as for Portage."""
    everything, names = False, frozenset[str]()
    for word in words:
        plain = word.removeprefix("-")
        if plain == "*":
            everything, names = word == "*", frozenset()
        else:
            members = groups.get(plain, frozenset((plain,)))
            names = names | members if everything is word.startswith("-") else names - members
    return Accepted(everything, names)


def more(ours: Accepted, theirs: Accepted, groups: Groups) -> list[str]:
    """The words that, after ours, accept what ``theirs`` accepts and ``ours`` does not; none when there is no such licence."""
    if theirs.everything and not ours.everything:
        return ["*", *(f"-{word}" for word in _fewest(theirs.names - ours.names, groups))]
    only = ours.names - theirs.names if theirs.everything else {one for one in theirs.names if one not in ours}
    return _fewest(only, groups)


def _fewest(licences: Collection[str], groups: Groups) -> list[str]:
    """``licences`` in few words: groups that hold nothing else, the largest first, then names."""
    left, words = set(licences), list[str]()
    for word, members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        if members and members <= set(licences) and not members.isdisjoint(left):
            words.append(word)
            left -= members
    return [*words, *sorted(left)]
