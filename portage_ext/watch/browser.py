"""The view of `portage-ext watch` and the effect of each key are pure functions; another module handles the terminal.

The upper part shows the graph of one emerge, the lower part scrolls through its whole list. ``/`` searches, and Return opens
the end of a build log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from portage_ext import shown
from portage_ext.graph.line import Line, Signs, cut
from portage_ext.graph.picture import Picture
from portage_ext.graph.plan import Kind, Plan
from portage_ext.watch.sources import Emerge

HELP = "up/down move  / find  n next  f follow  Return log  Tab next emerge  q end"


@dataclass(slots=True)
class Browser:
    """The state of the view. ``log`` is the path of the open build log, empty if none is open; ``missed`` is what the last
    search did not find, until the next key."""

    number: int = 0
    place: int = 0
    follows: bool = True
    typing: bool = False
    sought: str = ""
    log: str = ""
    missed: str = ""
    ended: bool = False
    _plan: Plan | None = field(default=None, repr=False)
    _picture: Picture | None = field(default=None, repr=False)

    def press(self, key: str, emerges: Sequence[Emerge]) -> None:
        """Apply ``key``: a character or one of up, down, page-up, page-down, home, end, return, tab, escape, back."""
        self.missed = ""
        if self.typing:
            self._type(key, emerges)
        elif self.log:
            self.log = "" if key in ("escape", "q", "return") else self.log
        elif key == "q":
            self.ended = True
        elif key == "tab" and emerges:
            self.number, self.place, self.follows = (self.number + 1) % len(emerges), 0, True
        elif key == "/":
            self.typing, self.sought = True, ""
        elif emerges:
            self._move(key, self.chosen(emerges))

    def chosen(self, emerges: Sequence[Emerge]) -> Emerge:
        """The emerge that is shown."""
        return emerges[min(self.number, len(emerges) - 1)]

    def _type(self, key: str, emerges: Sequence[Emerge]) -> None:
        if key in ("return", "escape"):
            self.typing = False
            if key == "return" and emerges:
                self._find(self.chosen(emerges), self.place)
        elif key == "back":
            self.sought = self.sought[:-1]
        elif len(key) == 1 and key.isprintable() and len(self.sought) < 64:
            self.sought += key

    def _move(self, key: str, emerge: Emerge) -> None:
        last = len(emerge.plan.nodes) - 1
        steps = {"up": -1, "down": 1, "page-up": -10, "page-down": 10, "home": -last - 1, "end": last + 1}
        if key in steps:
            self.place, self.follows = max(0, min(last, self.place + steps[key])), False
        elif key == "n" and self.sought:
            self._find(emerge, self.place + 1)
        elif key == "f":
            self.follows = True
        elif key == "return":
            self.log = next((one.log for one in emerge.moment.running if one.package == self.place), "")

    def _find(self, emerge: Emerge, start: int) -> None:
        nodes = emerge.plan.nodes
        order = [*range(start, len(nodes)), *range(min(start, len(nodes)))]
        found = next((place for place in order if self.sought.lower() in nodes[place].cpv.lower()), None)
        if found is not None:
            self.place, self.follows = found, False
        else:
            self.missed = self.sought

    # --- the screen

    def lines(self, emerges: Sequence[Emerge], width: int, height: int, sign: Signs, tail: Sequence[str] = ()) -> list[Line]:
        """The screen as at most ``height`` lines of at most ``width`` columns; ``tail`` is the end of the open log."""
        if height < 2 or width < 8:
            return []
        if self.log:
            shown_tail = [Line().add(cut(shown.line(one), width, sign)) for one in tail[-(height - 1) :]]
            return [Line().add(cut(self.log, width, sign), "now"), *shown_tail]
        if not emerges:
            return [Line().add(cut("nothing is running; q ends", width, sign))]
        emerge = self.chosen(emerges)
        if emerge.plan is not self._plan or self._picture is None:
            self._plan, self._picture = emerge.plan, Picture(emerge.plan)
        if self.follows and emerge.moment.running:
            self.place = max(one.package for one in emerge.moment.running)
        self.place = max(0, min(self.place, len(emerge.plan.nodes) - 1))
        which = f" ({self.number % len(emerges) + 1} of {len(emerges)})" if len(emerges) > 1 else ""
        made = [Line().add(cut(f"{shown.line(emerge.title)}{which}", width, sign), "now")]
        made += self._picture.lines(emerge.moment, width, max(1, (height - 2) // 2), sign)
        rows = height - len(made) - 1
        made += self._list(emerge, width, rows, sign)
        foot = HELP
        if self.typing:
            foot = f"/{self.sought}"
        elif self.missed:
            foot = f"no package in this list has {self.missed} in its name"
        made += [Line() for _ in range(height - len(made) - 1)]
        return [*made[: height - 1], Line().add(cut(foot, width, sign), "faint")]

    def _list(self, emerge: Emerge, width: int, rows: int, sign: Signs) -> list[Line]:
        nodes, moment = emerge.plan.nodes, emerge.moment
        start = max(0, min(self.place - rows // 2, len(nodes) - rows))
        running = {one.package: one.phase for one in moment.running}
        made = []
        for place in range(start, min(len(nodes), start + rows)):
            node = nodes[place]
            mark, style = " ", "binary" if node.kind is Kind.BINARY else ""
            if place in moment.failed:
                mark, style = sign.failed, "bad"
            elif place in moment.done:
                mark, style = sign.done, "good"
            elif place in running:
                mark, style = sign.now, "now"
            pointer = ">" if place == self.place else " "
            text = f"{node.cpv}  {running.get(place, '' if node.kind is Kind.EBUILD else node.kind)}".rstrip()
            made.append(Line().add(cut(f"{pointer}{mark} {text}", width, sign), style))
        return made
