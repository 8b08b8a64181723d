"""A merge list on paper: as a tree of text, as Graphviz's dot, as an SVG picture. Binaries and builds are told apart.

Only edges that no longer way implies are drawn. All names are escaped in the way of the format.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Final

from portage_ext.graph.estimate import clock
from portage_ext.graph.line import Line, Signs
from portage_ext.graph.plan import Kind, Plan, inverted
from portage_ext.graph.reduction import longest_chain, reduced

_ROW: Final = 26
_COLUMN_GAP: Final = 60
_LETTER: Final = 7.3


class Drawing:
    """``plan`` as far as ``depth`` edges below what nobody in the list needs; None for all of it."""

    def __init__(self, plan: Plan, depth: int | None = None) -> None:
        self.plan = plan
        self.needs = reduced(plan.needs)
        self.chain = longest_chain(plan.needs)
        wanted = inverted(plan.needs)
        self.tops = [place for place in range(len(plan.nodes)) if not wanted[place]]
        # A cycle that nobody outside it needs has no top of its own.
        self.shown = self._within(depth)
        if len(self.shown) < len(plan.nodes) and depth is None:
            self.tops += _unreached(self.shown, self.needs)
            self.shown = self._within(None)

    def _within(self, depth: int | None) -> dict[int, int]:
        """Each package that is shown, and how far below the tops it is."""
        far = dict.fromkeys(self.tops, 0)
        layer, number = list(self.tops), 0
        while layer and (depth is None or number < depth):
            number += 1
            layer = [one for one in dict.fromkeys(below for top in layer for below in self.needs[top]) if one not in far]
            far.update(dict.fromkeys(layer, number))
        return far

    # --- text

    def tree(self, sign: Signs) -> Iterator[Line]:
        """Who pulls what in. What a package needs is below its first place alone."""
        done = set[int]()
        for top in self.tops:
            stack: list[tuple[int, str, str]] = [(top, "", "")]
            while stack:
                place, first, indent = stack.pop()
                below = [one for one in self.needs[place] if one in self.shown]
                again = place in done and bool(below)
                line = Line().add(first, "faint")
                self._label(line, place)
                yield line.add("  needs as above", "faint") if again else line
                done.add(place)
                if not again:
                    for number, one in reversed(list(enumerate(below))):
                        last = number == len(below) - 1
                        branch = f"{sign.split_last if last else sign.split}{sign.flat} "
                        stack.append((one, indent + branch, indent + ("   " if last else f"{sign.bar}  ")))

    def _label(self, line: Line, place: int) -> None:
        node = self.plan.nodes[place]
        line.add(node.cpv, "binary" if node.kind is Kind.BINARY else "")
        time = f", ~{clock(node.seconds)}" if node.seconds is not None else ""
        line.add(f"  {'binary' if node.kind is Kind.BINARY else 'build'}{time}", "faint")

    def summary(self, sign: Signs) -> str:
        """How much it is, and the longest chain by name, what is merged first first."""
        binaries = sum(node.kind is Kind.BINARY for node in self.plan.nodes)
        total = len(self.plan.nodes)
        chain = f" {sign.arrow} ".join(self.plan.nodes[place].cpv for place in self.chain)
        return f"{total} packages, {binaries} of them binaries. The longest chain has {len(self.chain)}: {chain}"

    # --- formats of others

    def dot(self) -> Iterator[str]:
        """Graphviz: an arrow leads from a package to what it needs."""
        yield "digraph merge_list {"
        yield "  rankdir=RL; node [shape=box, fontname=sans, fontsize=11];"
        chain = set(self.chain)
        for place in sorted(self.shown):
            node = self.plan.nodes[place]
            style = "dashed" if node.kind is Kind.BINARY else "solid"
            bold = ", penwidth=2" if place in chain else ""
            yield f'  n{place} [label="{_quoted(node.cpv)}", style={style}{bold}];'
        steps = set(zip(self.chain[1:], self.chain, strict=False))
        for place in sorted(self.shown):
            for one in self.needs[place]:
                if one in self.shown:
                    yield f"  n{place} -> n{one}{' [penwidth=2]' if (place, one) in steps else ''};"
        yield "}"

    def svg(self) -> Iterator[str]:
        """What is merged first left, in columns: no package is left of what it needs. Follows the reader's light or dark."""
        column = _columns(self.needs, self.shown)
        rows: dict[int, int] = {}
        at: dict[int, tuple[float, float, float]] = {}
        wide: dict[int, float] = {}
        for place, number in column.items():
            wide[number] = max(wide.get(number, 0.0), len(self.plan.nodes[place].cpv) * _LETTER + 16)
        left = {number: 10 + sum(wide.get(n, 0.0) + _COLUMN_GAP for n in range(number)) for number in wide}
        for place in sorted(column):
            number = column[place]
            row = rows[number] = rows.get(number, -1) + 1
            at[place] = (left[number], 10.0 + row * _ROW, wide[number])
        width = max((x + w for x, _, w in at.values()), default=0) + 10
        height = max((y for _, y, _ in at.values()), default=0) + _ROW + 10
        yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img">'
        yield f"<title>{len(self.plan.nodes)} packages</title>"
        yield (
            "<style>text{font:12px monospace;fill:#222}rect{fill:#fff;stroke:#555}.b{stroke-dasharray:4 3}path{fill:none;"
            "stroke:#999}.c{stroke:#b03060;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#ddd}rect{fill:#222}}</style>"
        )
        steps = set(zip(self.chain[1:], self.chain, strict=False))
        for place in at:
            x, y, _ = at[place]
            for one in (one for one in self.needs[place] if one in at):
                from_x, from_y = at[one][0] + at[one][2], at[one][1] + 10
                mark = ' class="c"' if (place, one) in steps else ""
                middle = (from_x + x) / 2
                yield (
                    f'<path{mark} d="M{from_x:.0f} {from_y:.0f}C{middle:.0f} {from_y:.0f} {middle:.0f} {y + 10:.0f} '
                    f'{x:.0f} {y + 10:.0f}"/>'
                )
        chain = set(self.chain)
        for place, (x, y, w) in at.items():
            node = self.plan.nodes[place]
            marks = " ".join(mark for mark, so in (("b", node.kind is Kind.BINARY), ("c", place in chain)) if so)
            yield f'<rect class="{marks}" x="{x:.0f}" y="{y:.0f}" width="{w:.0f}" height="20" rx="3"/>'
            yield f'<text x="{x + 8:.0f}" y="{y + 14:.0f}">{html.escape(node.cpv)}</text>'
        yield "</svg>"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _unreached(shown: dict[int, int], needs: Sequence[Sequence[int]]) -> list[int]:
    """One package of each part that nothing shown leads to, the last in merge order first."""
    seen = set(shown)
    found = []
    for start in range(len(needs) - 1, -1, -1):
        if start in seen:
            continue
        found.append(start)
        waiting = [start]
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting.extend(needs[one])
    return found


def _columns(needs: Sequence[Sequence[int]], shown: dict[int, int]) -> dict[int, int]:
    """For each package that is shown the longest way to it from what needs nothing, along the merge order."""
    column: dict[int, int] = {}
    for place in sorted(shown):
        column[place] = 1 + max((column[one] for one in needs[place] if one in column and one < place), default=-1)
    return column
