"""What a command prints with ``--json``: one object a line, ASCII only, with its format version. docs/schemas has each form.

Keys are only ever added while the version stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse

FORMAT: Final = 1


def option(parser: argparse.ArgumentParser) -> None:
    """Let a command be asked for JSON; ``show`` prints it."""
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line (docs/schemas)")


def show(values: Mapping[str, Any]) -> None:
    """Print one object, at once: a program may wait for it."""
    import json  # not for those who ask for no JSON: fetch is started for each file

    print(json.dumps({"format": FORMAT, **values}, ensure_ascii=True), flush=True)
