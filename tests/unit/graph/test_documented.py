"""The pictures in docs/watching.md are what this code draws, at 40, 80 and 200 columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.graph.line import UNICODE
from portage_ext.graph.picture import Picture
from portage_ext.graph.plan import Moment, Node, Plan, Running

GUIDE = (Path(__file__).parents[3] / "docs/watching.md").read_text()
PACKAGES = (
    ("sys-libs/zlib-1.3.1", 9, ""),
    ("dev-libs/libffi-3.4.6", 7, ""),
    ("media-libs/libpng-1.6.44", 12, "zlib"),
    ("dev-libs/expat-2.6.4", 6, ""),
    ("dev-libs/glib-2.82.4", 130, "libffi zlib"),
    ("media-libs/freetype-2.13.3", 48, "libpng zlib"),
    ("media-libs/fontconfig-2.15.0", 25, "expat freetype"),
    ("x11-libs/gdk-pixbuf-2.42.12", 31, "glib libpng"),
    ("x11-libs/cairo-1.18.2", 95, "glib fontconfig"),
    ("x11-libs/pango-1.54.0", 64, "cairo"),
    ("x11-libs/gtk+-3.24.43", 310, "gdk-pixbuf pango"),
    ("app-editors/gvim-9.1", 75, "gtk+"),
)
"""The packages of the guide in merge order, with seconds and what each needs."""


def frame(columns: int, glib: int) -> str:
    """Four packages are merged, glib has been compiled for so many seconds and freetype for 15."""
    names = [cpv.partition("/")[2].rsplit("-", 1)[0] for cpv, _, _ in PACKAGES]
    needs = tuple(tuple(sorted(map(names.index, below.split()))) for _, _, below in PACKAGES)
    plan = Plan(tuple(Node(cpv, seconds=float(seconds)) for cpv, seconds, _ in PACKAGES), needs)
    working = (Running(4, "compile", 1000.0 - glib), Running(5, "compile", 985.0))
    moment = Moment(1000.0, working, frozenset(range(4)), jobs=2)
    return "".join(f"{line.text()}\n" for line in Picture(plan).lines(moment, columns - 1, 8, UNICODE))


@pytest.mark.parametrize(("columns", "glib"), [(40, 20), (80, 22), (200, 22)])
def test_the_guide_shows_what_is_drawn(columns: int, glib: int) -> None:
    assert frame(columns, glib) in GUIDE
