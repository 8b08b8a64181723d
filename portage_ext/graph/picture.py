"""The picture of one moment in so many columns and lines: progress first, then a block for every running package.

Every running package is there before any other gets a line. Beside it is what it needs, the latest in merge order first, and
who needs it, the next in merge order first; ``+N`` stands for the others. No edge that a longer way implies is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from portage_ext.graph.estimate import Estimate, clock, span
from portage_ext.graph.line import Line, Signs, cut, listed
from portage_ext.graph.plan import Kind, Moment, Plan, Running, inverted, short_names
from portage_ext.graph.reduction import reduced

COLUMNS_FROM: Final = 60
"""The width from which on what is needed and who needs stand left and right; below that, under the package."""
_NAME: Final = 12
"""Columns of a name that are worth more than phase and time."""
_SIDE: Final = 5
"""Lines that one block takes at most."""


class Picture:
    """Of one plan; made once, drawn at every moment."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.names = short_names(plan.nodes)
        self.needs = reduced(plan.needs)
        self.wanted = inverted(self.needs)
        for below in self.needs:
            below.sort(reverse=True)
        self._estimate = Estimate(plan, plan.needs)

    def lines(self, moment: Moment, width: int, height: int, sign: Signs) -> list[Line]:
        """At most ``height`` lines of at most ``width`` columns; none where there is no room for one."""
        if height < 1 or width < 8:
            return []
        drawn = [self.progress(moment, width, sign)]
        running = sorted(moment.running, key=lambda one: (one.since, one.package))
        room = height - 1
        if len(running) > room:
            drawn += self._packed(moment, running, width, room, sign)
        elif width < COLUMNS_FROM:
            for one, lines in zip(running, self._shares(running, room, self._narrow), strict=True):
                drawn += self._below(moment, one, width, lines, sign)
        else:
            for one, lines in zip(running, self._shares(running, room, self._broad), strict=True):
                drawn += self._beside(moment, one, width, lines, sign)
        return drawn

    def progress(self, moment: Moment, width: int, sign: Signs) -> Line:
        """How far it is, and how long the rest will take, in as many words as fit."""
        total, done, failed = moment.counts or (len(self.plan.nodes), len(moment.done), len(moment.failed))
        left = self._estimate.left(moment)
        said = [f"{done} of {total} done"]
        if failed:
            said.append(f"{failed} failed")
        if left is not None and done + failed < total:
            said.append(f"about {span(left)} left")
        if moment.fetching:
            said.append(f"{len(moment.fetching)} to fetch")
        while len(said) > 1 and len(", ".join(said)) > width:
            said.pop()
        line = Line()
        for number, words in enumerate(said):
            line.add(", " if number else "").add(words, "bad" if words.endswith(" failed") else "now" if not number else "")
        if line.width > width:
            return Line([(cut(line.text(), width, sign), "")])
        bar = min(24, width - line.width - 2)
        if bar >= 8:
            full = bar * done // max(1, total)
            line.add("  ").add(sign.full * full, "good").add(sign.empty * (bar - full), "faint")
        return line

    # --- one package

    def _centre(self, moment: Moment, one: Running, width: int, sign: Signs) -> Line:
        seconds = self.plan.nodes[one.package].seconds
        times = [one.phase, clock(moment.taken - one.since)]
        if seconds is not None:
            times[1] += f"/~{clock(seconds)}"
        pf = self.plan.nodes[one.package].cpv.rpartition("/")[2]
        while times and len(" ".join(times)) > width - 3 - min(len(pf), _NAME):
            times.pop(0)
        tail = " ".join(times)
        name = cut(pf, width - 2 - (len(tail) + 1 if tail else 0), sign)
        return Line().add(f"{sign.now} {name}", "now").add(f" {tail}" if tail else "")

    def _mark(self, moment: Moment, package: int, sign: Signs) -> tuple[str, str]:
        if package in moment.failed:
            return f" {sign.failed}", "bad"
        if package in moment.done:
            return f" {sign.done}", "good"
        if any(one.package == package for one in moment.running):
            return f" {sign.now}", "now"
        return "", "binary" if self.plan.nodes[package].kind is Kind.BINARY else ""

    def _side(self, moment: Moment, packages: Sequence[int], lines: int, width: int, sign: Signs) -> list[Line]:
        """``packages`` in at most so many lines; the last says how many there are beside them."""
        shown = list(packages if len(packages) <= lines else packages[: lines - 1])
        made = []
        for package in shown:
            mark, style = self._mark(moment, package, sign)
            made.append(Line().add(cut(self.names[package], width - len(mark), sign) + mark, style))
        if len(shown) < len(packages):
            if lines == 1 and packages:
                more = f" +{len(packages) - 1}"
                mark, style = self._mark(moment, packages[0], sign)
                name = cut(self.names[packages[0]], width - len(mark) - len(more), sign)
                made.append(Line().add(name + mark, style).add(more if len(packages) > 1 else "", "faint"))
            else:
                made.append(Line().add(f"+{len(packages) - len(shown)}", "faint"))
        return made

    def _broad(self, one: Running) -> int:
        return min(_SIDE, max(1, len(self.needs[one.package]), len(self.wanted[one.package])))

    def _beside(self, moment: Moment, one: Running, width: int, lines: int, sign: Signs) -> list[Line]:
        middle = min(44, (width - 9) * 11 // 20)
        side = min(32, (width - 9 - middle) // 2)
        left = self._side(moment, self.needs[one.package], lines, side, sign)
        right = self._side(moment, self.wanted[one.package], lines, side, sign)
        made = []
        for row in range(max(1, len(left), len(right))):
            line = Line()
            if row < len(left):
                line.pad(side - left[row].width).pieces.extend(left[row].pieces)
                last = row == len(left) - 1
                first = sign.flat if len(left) == 1 else sign.join_first
                join = first if not row else sign.join_last if last else sign.join
                line.add(f" {sign.flat}{join}{sign.flat if not row else ' '} ", "faint")
            line.pad(side + 5)
            if not row:
                line.pieces.extend(self._centre(moment, one, middle, sign).pieces)
            line.pad(side + 5 + middle if row or right else line.width)
            if row < len(right):
                last = row == len(right) - 1
                first = sign.flat if len(right) == 1 else sign.split_first
                split = first if not row else sign.split_last if last else sign.split
                line.add(f"{sign.flat if not row else ' '}{split}{sign.arrow} ", "faint").pieces.extend(right[row].pieces)
            made.append(line)
        return made

    def _narrow(self, one: Running) -> int:
        return 1 + bool(self.needs[one.package]) + bool(self.wanted[one.package])

    def _below(self, moment: Moment, one: Running, width: int, lines: int, sign: Signs) -> list[Line]:
        made = [self._centre(moment, one, width, sign)]
        for word, packages in (("for", self.wanted[one.package]), ("needs", self.needs[one.package])):
            if packages and len(made) < lines:
                head = f"  {word} "
                text = listed([self.names[other] for other in packages], width - len(head))
                made.append(Line().add(head, "faint").add(cut(text, width - len(head), sign)))
        return made

    # --- all of them

    @staticmethod
    def _shares(running: Sequence[Running], room: int, wants: Callable[[Running], int]) -> list[int]:
        """One line for each, and the rest in turn to those that want more."""
        wanted = [wants(one) for one in running]
        shares = [1] * len(running)
        left = room - len(running)
        while left > 0 and (hungry := [n for n, share in enumerate(shares) if share < wanted[n]]):
            for number in hungry[:left]:
                shares[number] += 1
            left -= min(left, len(hungry))
        return shares

    def _packed(self, moment: Moment, running: Sequence[Running], width: int, room: int, sign: Signs) -> list[Line]:
        """More packages than lines: several in a line, their names alone where nothing else fits."""
        if room < 1:
            return []
        across = -(-len(running) // room)
        column = max(10, (width + 2) // across - 2)
        across = max(1, (width + 2) // (column + 2))
        shown = running if len(running) <= across * room else running[: across * room - 1]
        cells = [self._centre(moment, one, column, sign) for one in shown]
        if len(shown) < len(running):
            cells.append(Line().add(f"+{len(running) - len(shown)}", "faint"))
        made = []
        for start in range(0, len(cells), across):
            line = Line()
            for number, cell in enumerate(cells[start : start + across]):
                line.pad(number * (column + 2)).pieces.extend(cell.pieces)
            made.append(line)
        return made
