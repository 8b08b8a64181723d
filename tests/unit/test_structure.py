"""The house rules that import-linter (pyproject.toml) does not hold: one idea a module, small rooms, no machine's path."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

from tests.testkit import parsed

CHECKOUT = Path(__file__).parents[2]
MODULES = sorted((CHECKOUT / "portage_ext").rglob("*.py"))


@functools.cache
def text(path: Path) -> str:
    return path.read_text()


def test_every_module_opens_with_its_rule_and_has_one_idea() -> None:
    assert [path for path in MODULES if not re.match(r'"""\s*[^\s"]', text(path))] == []
    assert [path for path in MODULES if text(path).count("\n") > 400] == []


SPEAKING = {
    "asking/over_https.py": "a program that reaches a service over https: requests on its stdin, answers on its stdout",
    "builds/describe.py": "a program that runs in a cage: its stdout is the plan, which builds/key reads",
    "builds/cages/early.py": "a program that runs in a cage: it waits for a line on its stdin and becomes emerge",
    "builds/cages/inside.py": "the first process of a cage: its stderr goes to the attempt's log, its status says how it ended",
    "targets/copying/sending.py": "a program that runs on the host that is copied: its stdout is the listing and contents",
    "targets/collect.py": "a program that runs on the host that is captured: its stdout is the capture",
    "hooks/guard.py": "a program that a phase hook starts: its stderr is what the phase shows, its status refuses the merge",
    "hooks/losses.py": "a program that a phase hook starts: the hook passes its stdout on as a warning of the phase",
    "hooks/inputs.py": "a program that a phase hook starts: its status tells the hook whether the inputs were recorded",
    "hooks/record.py": "a program that a phase hook starts: its status tells the hook whether a contract was recorded",
    "emerge/messages.py": "the one way to say a line inside emerge, on stderr",
    "emerge/forked_fetch.py": "a process that emerge forks becomes a program in it, and ends with it",
    "emerge/phases.py": "it runs in the emerge of a cage: its stderr goes to the log of the attempt",
    "emerge/after.py": "ebuild, quickpkg and emaint have decided on their status before it works: a failure ends the process",
    "repositories/jail.py": "a program that starts foreign code apart from this system: its status and stderr are the code's",
    "repositories/tree.py": "run as a program it is the reader of ebuilds: it is asked on its stdin and ends with it",
    "repositories/pypi/portage_side.py": "the part of a sync that Portage calls: it says what came as Portage's own modules do",
    "repositories/pypi/worker.py": "a program that a sync starts: its stdout is the files that it made",
    "locks.py": "a wait is announced also where nobody thought of it: without a `say` of the caller's, on stderr",
}
"""What may print, or end the process, outside cli/, and why. Everything else returns values and raises errors."""


# Most modules have none of these words; to parse them all takes seconds.
_WORDS = re.compile(r"\b(?:print|input|exit|_exit|stdin|stdout|stderr|SystemExit|argparse)\b")


def speech(path: Path) -> set[str]:
    """Names in ``path`` by which a module prints, ends the process or reads a command line."""
    found: set[str] = set()
    for node in parsed.nodes(path) if _WORDS.search(text(path)) else ():
        match node:
            case ast.Call(func=ast.Name(id="print" | "input" | "exit" as name)):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="sys"), attr="exit" | "stdin" as name):
                found.add(f"sys.{name}")
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr"), attr="write"):
                found.add("write")
            case ast.Attribute(value=ast.Name(id="os"), attr="_exit"):
                found.add("os._exit")
            case ast.Raise(exc=ast.Name(id="SystemExit") | ast.Call(func=ast.Name(id="SystemExit"))):
                found.add("SystemExit")
            case ast.Name(id="argparse"):
                found.add("argparse")
    return found


def test_only_commands_and_the_listed_modules_print_or_end_the_process() -> None:
    outside = {str(path.relative_to(CHECKOUT / "portage_ext")): path for path in MODULES if path.parent.name != "cli"}
    said = {name: names for name, path in outside.items() if (names := speech(path))}
    assert {name: names for name, names in said.items() if name not in SPEAKING} == {}
    assert SPEAKING.keys() <= said.keys()


def test_the_search_for_speech_finds_each_kind(tmp_path: Path) -> None:
    lines = ("print(1)", "input()", "sys.exit(1)", "sys.stderr.write('x')", "os._exit(1)", "raise SystemExit", "exit(0)")
    for number, line in enumerate((*lines, "argparse.Namespace()")):
        module = tmp_path / f"module{number}.py"
        module.write_text(f"def one():\n    {line}\n")
        assert len(speech(module)) == 1, line


def test_no_room_has_more_modules_than_a_newcomer_can_hold() -> None:
    rooms = Counter(path.parent.relative_to(CHECKOUT / "portage_ext") for path in MODULES if path.name != "__init__.py")
    assert not {str(room): count for room, count in rooms.items() if count > 22 and room != Path("cli")}


def test_every_room_is_on_the_architecture_page() -> None:
    page = (CHECKOUT / "docs/architecture.md").read_text()
    rooms = {path.parent.name for path in MODULES if path.parent.parent == CHECKOUT / "portage_ext"}
    assert not {room for room in rooms if f"| `{room}/`" not in page}


def test_each_decision_has_a_number_of_its_own_and_a_row() -> None:
    records = sorted((CHECKOUT / "docs/adr").glob("[0-9]*.md"))
    numbers = Counter(path.name[:4] for path in records)
    assert [number for number, count in numbers.items() if count > 1] == []
    page = (CHECKOUT / "docs/adr/README.md").read_text()
    assert [path.name for path in records if f"[{path.name[:4]}]({path.name})" not in page] == []
    assert [path.name for path in records if not path.read_text().startswith(f"# {path.name[:4]}: ")] == []


def test_the_wheel_has_every_room() -> None:
    listed = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {".".join(path.parent.relative_to(CHECKOUT).parts) for path in MODULES}
    assert there == {name for name in listed if name.startswith("portage_ext")}


def test_no_path_of_a_machine_and_nothing_left_open() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split("\n")
    machine = re.compile(r"/(?<![\w.-]/)" + r"(?:work|farm|root|home/\w+)/")
    left_open = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    for name in filter(None, listed):
        path = CHECKOUT / name
        if name == "LICENSE" or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        assert not machine.search(text), name
        if name.startswith(("portage_ext/", "bashrc.d/", "dropin/")):
            assert not left_open.search(text), name


def test_the_demo_needs_nothing_but_python() -> None:
    program = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); import demo.demo"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)
