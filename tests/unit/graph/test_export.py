"""A merge list as text, dot and SVG: whole, once, escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given

from portage_ext.graph.export import Drawing
from portage_ext.graph.line import UNICODE
from portage_ext.graph.plan import Kind, Node, Plan
from tests.unit.graph.plans import plans
from tests.unit.graph.test_picture import DIAMOND


@given(plans())
def test_every_package_is_in_every_format(plan: Plan) -> None:
    drawing = Drawing(plan)
    assert set(drawing.shown) == set(range(len(plan.nodes)))
    text = "\n".join(line.text() for line in drawing.tree(UNICODE))
    svg = ElementTree.fromstring("\n".join(drawing.svg()))
    boxes = {one.text for one in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert boxes == {node.cpv for node in plan.nodes}
    for place, node in enumerate(plan.nodes):
        assert node.cpv in text
        assert f'n{place} [label="{node.cpv}"' in "\n".join(drawing.dot())


def test_the_tree_says_each_need_once() -> None:
    drawing = Drawing(DIAMOND)
    assert [line.text() for line in drawing.tree(UNICODE)] == [
        "dev-libs/f-1.0  build, ~1:00",
        "└─ dev-libs/d-1.0  build, ~1:00",
        "   ├─ dev-libs/b-1.0  build, ~1:00",
        "   │  └─ dev-libs/a-1.0  build, ~1:00",
        "   └─ dev-libs/c-1.0  build, ~1:00",
        "      └─ dev-libs/a-1.0  build, ~1:00",
        "dev-libs/h-1.0  build, ~1:00",
        "└─ dev-libs/g-1.0  build, ~1:00",
        "   └─ dev-libs/e-1.0  build, ~1:00",
        "      └─ dev-libs/d-1.0  build, ~1:00  needs as above",
    ]
    chain = " ▸ ".join(f"dev-libs/{name}-1.0" for name in "abdegh")
    assert drawing.summary(UNICODE) == f"8 packages, 0 of them binaries. The longest chain has 6: {chain}"


def test_depth_counts_from_what_nobody_needs() -> None:
    assert {DIAMOND.nodes[place].cpv[9] for place in Drawing(DIAMOND, 1).shown} == set("fhdg")


def test_every_arrow_is_an_edge_and_binaries_are_dashed() -> None:
    plan = Plan((Node("dev-libs/a-1", Kind.BINARY), Node("dev-libs/b-1")), ((), (0,)))
    text = "\n".join(Drawing(plan).dot())
    assert re.findall(r"n(\d+) -> n(\d+)", text) == [("1", "0")]
    assert 'n0 [label="dev-libs/a-1", style=dashed' in text


def test_what_is_in_a_name_is_no_markup() -> None:
    plan = Plan((Node('a/<script>"\\'),), ((),))
    assert "<script>" not in "\n".join(Drawing(plan).svg())
    assert 'label="a/<script>\\"\\\\"' in "\n".join(Drawing(plan).dot())
