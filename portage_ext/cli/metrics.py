"""portage-ext metrics: figures of this host as Prometheus reads them, on standard output or in a file for node_exporter."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from portage_ext import files, shown
from portage_ext.cli import places
from portage_ext.errors import UsageError
from portage_ext.tasks import metrics
from portage_ext.tasks.metrics import Labels, Metric


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    parser.add_argument(
        "--textfile", type=Path, metavar="FILE", help="write FILE, whose name ends in .prom, in one step instead of printing"
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 if a part could not be read. The figures of all other parts are printed in any case."""
    if options.textfile is not None and options.textfile.suffix != ".prom":
        raise UsageError(f"{options.textfile}: the name must end in .prom, because node_exporter reads no other files")
    if options.textfile is not None and not options.textfile.parent.is_dir():
        raise UsageError(f"{options.textfile}: its folder does not exist; create it, and let node_exporter read files there")
    found = metrics.metrics(places.site(options))
    text = "".join(lines(found.metrics))
    if options.textfile is not None:
        files.replace_file(options.textfile, text.encode(), lasting=False)
    else:
        print(text, end="")
    for trouble in found.troubles:
        print(f"portage-ext metrics: {shown.line(trouble)}", file=sys.stderr)
    return 1 if found.troubles else 0


def lines(found: Iterable[Metric]) -> Iterator[str]:
    """The text exposition format of Prometheus, version 0.0.4."""
    for one in found:
        yield f"# HELP {one.name} {one.help}\n# TYPE {one.name} {one.kind}\n"
        for labels, value in one.samples:
            yield f"{one.name}{_labels(labels)} {value:.17g}\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(shown.line(value))}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
