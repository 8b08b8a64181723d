"""portage-ext graph: the merge list that emerge would make of a request, drawn: who pulls what in, and the longest chain."""

from __future__ import annotations

import argparse
import os
from typing import Any

from portage_ext.cli import objects
from portage_ext.cli.main import EXIT_OK
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.graph.export import Drawing
from portage_ext.graph.line import signs
from portage_ext.tasks.planned import planned


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="+", metavar="ATOM", help="atoms, sets, and emerge's own options after --")
    parser.add_argument("--depth", type=int, metavar="N", help="only as many steps below what was asked for")
    formats = ("text", "dot", "json", "svg")
    parser.add_argument("--format", choices=formats, default="text", help="default: %(default)s")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0."""
    if all(word.startswith("-") for word in options.what):
        raise UsageError("name at least one atom or set")
    if options.depth is not None and options.depth < 0:
        raise UsageError("--depth cannot be less than 0")
    drawing = Drawing(planned(options.what), options.depth)
    match options.format:
        case "json":
            objects.show(_as_json(drawing))
        case "dot":
            print("\n".join(drawing.dot()))
        case "svg":
            print("\n".join(drawing.svg()))
        case _:
            screen, sign = Screen(), signs(os.environ)
            for line in drawing.tree(sign):
                print(line.painted() if screen.coloured else line.text())
            screen.line()
            screen.text(drawing.summary(sign))
    return EXIT_OK


def _as_json(drawing: Drawing) -> dict[str, Any]:
    nodes = drawing.plan.nodes
    packages = [
        {
            "cpv": node.cpv,
            "kind": str(node.kind),
            "root": node.root,
            "seconds": node.seconds,
            "needs": list(drawing.plan.needs[place]),
            "shown": place in drawing.shown,
        }
        for place, node in enumerate(nodes)
    ]
    return {"packages": packages, "longest_chain": drawing.chain}
