"""A second ordering that fails: what Portage means to raise passes, any other error leaves list and graph as they were."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from _emerge.depgraph import depgraph
from portage.util.digraph import digraph

from portage_ext.emerge.messages import _VARIABLE
from portage_ext.emerge.plan import ordering

PAIR = ("gcc", "tool")


@pytest.fixture
def graph() -> Any:
    """What is used of a depgraph. A mock: no real graph can be made to fail here. Real ones are in tests/system/toolchain."""
    edges = digraph()
    edges.add("tool", None)
    edges.add("gcc", None)
    dynamic = SimpleNamespace(digraph=edges, _skip_restart=False, _circular_deps_for_display=None)
    return SimpleNamespace(_dynamic_config=dynamic, _unknown_internal_error=depgraph._unknown_internal_error)


def raising(error: Exception, *, circular: bool = False) -> Callable[[Any], Any]:
    def original(graph: Any) -> Any:
        graph._dynamic_config._skip_restart = True
        graph._dynamic_config._circular_deps_for_display = graph._dynamic_config.digraph if circular else None
        raise error

    return original


@pytest.mark.parametrize(
    ("error", "circular"),
    [
        (depgraph._serialize_tasks_retry(""), False),
        (depgraph._unknown_internal_error(), False),
        (depgraph._unknown_internal_error(), True),
    ],
)
def test_what_portage_means_to_raise_passes(graph: Any, error: Exception, circular: bool) -> None:
    with pytest.raises(type(error)) as raised:
        ordering._ordered(graph, raising(error, circular=circular), [PAIR], {PAIR})
    assert raised.value is error
    assert "gcc" in graph._dynamic_config.digraph.child_nodes("tool")


@pytest.mark.parametrize("whose", ["ours", "portage's"])
def test_any_other_error_leaves_the_graph_as_it_was(
    graph: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], whose: str
) -> None:
    monkeypatch.setenv(_VARIABLE, "")
    monkeypatch.delenv(_VARIABLE)
    original = raising(KeyError("boom"))
    if whose == "ours":
        # After the edges are in the graph, and Portage has said that no order is left.
        original = raising(depgraph._unknown_internal_error(), circular=True)
        monkeypatch.setattr(ordering, "_declared", lambda digraph: [1 / 0])
    assert ordering._ordered(graph, original, [PAIR], {PAIR}) is None
    dynamic = graph._dynamic_config
    assert dynamic.digraph.child_nodes("tool") == []
    assert (dynamic._skip_restart, dynamic._circular_deps_for_display) == (False, None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("portage-ext: not active: the order of the merge list: ")


def test_order_that_is_found_is_handed_on(graph: Any) -> None:
    assert ordering._ordered(graph, lambda graph: graph._dynamic_config.digraph.child_nodes("tool"), [PAIR], {PAIR}) == ["gcc"]
