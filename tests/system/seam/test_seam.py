"""Whatever is wrong with portage-ext, Portage's programs behave as without it and say so once."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.whitelist.whitelisting import FLAGS, HELLO, whitelist
from tests.testkit.environments import CHECKOUT, Environment
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

BROKEN = {
    "a syntax error": ("__init__.py", "def broken(:\n"),
    "an import that fails": ("__init__.py", "import no_such_module_anywhere\n"),
    "an error": ("emerge/seam.py", "raise RuntimeError('half a file')\n"),
    "a missing name": ("emerge/seam.py", "\n"),
    "null bytes": ("emerge/seam.py", "\0\0\0\0"),
    "an end of the program": ("__init__.py", "raise SystemExit(3)\n"),
    "what is no Exception": ("emerge/seam.py", "raise GeneratorExit('half a file')\n"),
    "an upgrade half done": ("emerge/session.py", "from portage_ext.host import not_there_yet\n"),
    "patches that fail": ("emerge/whitelist_patches.py", "EXPECTED = ()\ndef begin(config):\n    raise KeyError('boom')\n"),
}
EARLY = BROKEN.keys() - {"an upgrade half done", "patches that fail"}


def said(run: Outcome) -> list[str]:
    return [line for line in run.stderr.splitlines() if line.startswith("portage-ext")]


# With its bytecode, but for what another worker writes just now: what is compiled again costs more than the test.
COMPILING = shutil.ignore_patterns("*.pyc.*", "tests")


@pytest.fixture
def broken(work: Path) -> Callable[[str], str]:
    """A copy of portage_ext with one broken file; goes first on PYTHONPATH."""

    def make(name: str) -> str:
        copy = work / name.replace(" ", "-") / "portage_ext"
        shutil.copytree(CHECKOUT / "portage_ext", copy, ignore=COMPILING)
        file, text = BROKEN[name]
        (copy / file).write_text(text)
        return str(copy.parent)

    return make


@pytest.mark.parametrize("name", BROKEN)
def test_broken_portage_ext_leaves_emerge_alone(client: Root, broken: Callable[[str], str], name: str) -> None:
    whitelist(client, "app-misc/hello on")
    run = client.emerge("-p", "app-misc/hello", "app-misc/flags", PYTHONPATH=broken(name)).ok()
    assert run.plan() == {HELLO: "ebuild", FLAGS: "ebuild"}
    assert len(said(run)) == 1, str(run)
    off = "not active: " if name in EARLY else "the whitelist in package.env is off: "
    assert said(run)[0].startswith(f"portage-ext: {off}")


def test_broken_portage_ext_leaves_portageq_and_emaint_alone(
    client: Root, broken: Callable[[str], str], plain: Environment
) -> None:
    eroot = f"{client.path}/"
    paths = {name: broken(name) for name in BROKEN}
    for command in (
        ["portageq", "envvar", "ARCH", "FEATURES"],
        ["portageq", "best_visible", eroot, "app-misc/hello"],
        ["emaint", "--check", "binhost"],
    ):
        theirs = client.run(str(plain.bin / command[0]), *command[1:])
        for name, path in paths.items():
            ours = client.run(*command, PYTHONPATH=path)
            assert (ours.stdout, ours.status) == (theirs.stdout, theirs.status), name
            assert len(said(ours)) == (name in EARLY), (name, ours)
            assert [line for line in ours.stderr.splitlines() if line not in said(ours)] == theirs.stderr.splitlines(), name


def test_unreadable_portage_ext_leaves_emerge_alone(client: Root, broken: Callable[[str], str]) -> None:
    if os.getuid() != 0:
        pytest.skip("needs files of somebody else")
    whitelist(client, "app-misc/hello on")
    path = Path(broken("an error"))
    (path / "portage_ext/emerge/seam.py").chmod(0)
    run = client.emerge("-p", "app-misc/hello", as_user=65534, PYTHONPATH=str(path)).ok()
    assert run.plan() == {HELLO: "ebuild"}
    assert ["PermissionError" in line for line in said(run)] == [True]


def test_said_once_also_when_emerge_starts_other_programs(client: Root, broken: Callable[[str], str]) -> None:
    client.etc("bashrc", "[[ ${EBUILD_PHASE} == setup ]] && has_version app-misc/nothing\n")
    run = client.emerge("-1", "app-misc/flags", PYTHONPATH=broken("an error")).ok()
    assert len(said(run)) == 1, str(run)


@pytest.fixture
def other_portage(work: Path, client: Root) -> Callable[[str, str, str], str]:
    """A copy of the client's Portage with a text replaced in one file; goes first on PYTHONPATH."""

    def make(file: str, old: str, new: str) -> str:
        copy = work / "portage"
        for name in ("portage", "_emerge"):
            shutil.copytree(client.environment.site_packages / name, copy / name, ignore=COMPILING)
        text = (copy / file).read_text()
        assert old in text
        (copy / file).write_text(text.replace(old, new))
        return str(copy)

    return make


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("_emerge/depgraph.py", "_iter_match_pkgs(", "_iter_matching_packages(", "depgraph._iter_match_pkgs is not there"),
        ("portage/dbapi/bintree.py", "_populate_remote_repo(\n        self,\n",
         "_populate_remote_repo(\n        self,\n        new,\n", "_populate_remote_repo takes self, new, repo"),
        ("_emerge/actions.py", '["bintree"].populate(', '["bintree"].populate_all(', "no longer calls populate"),
    ],
)  # fmt: skip
def test_portage_that_the_probe_does_not_know_is_left_alone(
    client: Root, other_portage: Callable[[str, str, str], str], file: str, old: str, new: str, reason: str
) -> None:
    whitelist(client, "app-misc/hello on")
    path = other_portage(file, old, new)
    run = client.emerge("-p", "app-misc/hello", PYTHONPATH=path).ok()
    assert run.plan() == {HELLO: "ebuild"}
    assert len(said(run)) == 1
    assert reason in said(run)[0]


def test_portage_that_somebody_else_has_patched_is_left_alone(
    client: Root, other_portage: Callable[[str, str, str], str]
) -> None:
    whitelist(client, "app-misc/hello on")
    line = "from _emerge.UserQuery import UserQuery\n"
    path = other_portage("_emerge/actions.py", line, line)
    actions = Path(path) / "_emerge/actions.py"
    theirs = """
        import functools

        @functools.wraps(run_action)
        def _theirs(emerge_config, original=run_action):
            return original(emerge_config)

        run_action = _theirs
        """
    actions.write_text(actions.read_text() + textwrap.dedent(theirs))
    run = client.emerge("-p", "app-misc/hello", PYTHONPATH=path).ok()
    assert run.plan() == {HELLO: "ebuild"}
    assert ["replaced by another program" in line for line in said(run)] == [True]
