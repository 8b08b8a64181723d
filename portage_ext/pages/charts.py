"""Charts are small SVG images inside the page, without scripts; each shows one line and its last value as text.

The table beside them has the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from portage_ext import words
from portage_ext.pages.history import Record
from portage_ext.pages.markup import number, text

_WIDTH: Final = 240
_HEIGHT: Final = 56
_MARGIN: Final = 4


def charts(history: Sequence[Record]) -> str:
    """A row of charts over the releases of ``history``, oldest first; empty for a single release."""
    if len(history) < 2:
        return ""
    shown = [
        _chart("Packages", history, lambda one: one.packages, lambda value: number(round(value))),
        _chart("Size", history, lambda one: one.size, lambda value: words.size(round(value))),
        _chart("Signed", history, lambda one: 100 * one.signed / one.packages if one.packages else 0, _percent, top=100.0),
    ]
    if any(one.timed for one in history):
        shown.append(_chart("Build time saved", history, lambda one: one.saved, words.spell))
    return f'<div class="charts">{"".join(shown)}</div>'


def _percent(value: float) -> str:
    # Round down, so that 100 % is shown only if no package is missing.
    return f"{int(value * 10) / 10:g} %"


def _chart(
    title: str, history: Sequence[Record], of: Callable[[Record], float], say: Callable[[float], str], top: float = 0.0
) -> str:
    values = [of(one) for one in history]
    low, high = 0.0 if top else min(values), top or max(values)
    if low == high:  # all values are equal: draw the line in the middle
        low, high = low - 1, high + 1
    span = high - low
    step = (_WIDTH - 2 * _MARGIN) / (len(values) - 1)
    points = [
        (_MARGIN + place * step, _HEIGHT - _MARGIN - (value - low) / span * (_HEIGHT - 2 * _MARGIN))
        for place, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    first, last = history[0], history[-1]
    told = f"{title}: {say(values[0])} in release {first.number}, {say(values[-1])} in release {last.number}"
    return (
        f"<figure><figcaption><span>{text(title)}</span> <b>{text(say(values[-1]))}</b></figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{text(told)}">'
        f'<line class="base" x1="0" y1="{_HEIGHT - 0.5}" x2="{_WIDTH}" y2="{_HEIGHT - 0.5}"/>'
        f'<polyline class="line" points="{line}"/><circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/></svg>'
        f'<div class="ends"><span>{words.day(first.created)}</span><span>{words.day(last.created)}</span></div></figure>'
    )
