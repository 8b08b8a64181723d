"""What a command imports before it does anything has a budget, because emerge and timers start these commands again and again.

Modules are counted and not seconds, so that a busy machine changes nothing. If you exceed a budget, import where
the module is used.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import sys
from portage_ext.cli.main import whole_parser
whole_parser([sys.argv[1]])
print(*sys.modules)
"""
BUDGETS = {"fetch": 44, "reindex": 54, "after-emerge": 123, "postsync": 70, "door": 41}
"""Command, and modules of portage_ext."""
_LARGE = frozenset(
    ("requests", "urllib.request", "http.client", "rich", "gnupg", "asyncio", "ssl", "portage", "multiprocessing")
)
"""What none of them needs before it has work."""
_NOT_FOR = {
    "fetch": frozenset(("zstandard", "sqlite3", "tarfile", "json", "subprocess", "tomllib", "dataclasses", "inspect")),
    "door": frozenset(("portage_ext.config.settings", "portage_ext.builds.cages", "statistics", "subprocess")),
    "reindex": frozenset(("tarfile", "portage_ext.elf.reader", "portage_ext.gpkg.image", "portage_ext.errors.releases")),
}


def imported(command: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, command], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("command", BUDGETS)
def test_a_command_keeps_to_its_budget_of_imports(command: str) -> None:
    modules = imported(command)
    ours = sorted(name for name in modules if name.partition(".")[0] == "portage_ext")
    assert len(ours) <= BUDGETS[command], f"{len(ours)} modules of portage_ext: {' '.join(ours)}"
    needless = modules & (_LARGE | _NOT_FOR.get(command, frozenset()))
    assert not needless


def test_a_command_imports_no_other() -> None:
    commands = {name for name in imported("reindex") if name.startswith("portage_ext.cli.")}
    assert commands <= {f"portage_ext.cli.{name}" for name in ("main", "commands", "objects", "reindex")}


def test_the_fetchcommand_that_we_write_needs_no_parser() -> None:
    words = (
        "fetch",
        "--repo",
        "lab",
        "--root",
        "/none",
        "--config-root",
        "/none",
        "--uri",
        "http://h/a/b",
        "--output",
        "/none/o",
    )
    script = f"import sys\nfrom portage_ext.cli.main import main\nmain({words!r})\nprint('argparse' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[unknown-package]" in done.stderr
    assert done.stdout == "False\n"


def test_errors_are_no_dataclasses() -> None:
    """There are a hundred of them, and generating the code of a dataclass takes longer than the rest of its module."""
    from dataclasses import is_dataclass

    from portage_ext.errors import PortageExtError

    def below(one: type[PortageExtError]) -> list[type[PortageExtError]]:
        return [one, *(more for direct in one.__subclasses__() for more in below(direct))]

    assert not [one for one in below(PortageExtError) if is_dataclass(one)]
