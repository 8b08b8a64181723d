"""The list of packages to build again is what really does not start, and what really uses a library."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.testkit.chain import run_program
from tests.testkit.roots import Root


def rebuild(root: Root, *options: str) -> dict[str, str]:
    run = root.run("portage-ext", "rebuild", "--json", *options)
    assert run.status in (0, 1), str(run)
    return {one["cpv"]: one["atom"] for one in json.loads(run.stdout)["packages"]}


def starts(root: Root) -> dict[str, bool]:
    """Whether each program of the system starts."""
    names = sorted(path.name for path in (root.path / "usr/bin").iterdir() if path.read_bytes()[:4] == b"\x7fELF")
    return {name: run_program(root, name).status == 0 for name in names}


def test_the_list_is_what_does_not_start(system: Callable[..., Root]) -> None:
    root = system(features="-preserve-libs")
    before = starts(root)
    assert all(before.values()), before
    assert len(before) > 3
    assert rebuild(root, "--broken") == {}
    assert root.run("portage-ext", "rebuild", "--broken").ok().stdout == "nothing is broken\n"
    assert "app-misc/usesfoo-1" in rebuild(root, "--users-of", "dev-libs/foo", "--versions", "FOO_2")
    assert rebuild(root, "--users-of", "dev-libs/foo", "--versions", "FOO_9*") == {}
    # Behind our back: what a person does who knows better, or another tool.
    (root.path / "usr/lib64/libfoo.so.1").unlink()
    gone = {name for name, good in starts(root).items() if not good}
    found = rebuild(root, "--broken")
    assert gone == {"usesfoo"}
    assert found == {"app-misc/usesfoo-1": "app-misc/usesfoo:0"}
    run = root.run("portage-ext", "rebuild", "--broken").failed()
    assert "libfoo.so.1" in run.stdout
    assert run.stdout.rstrip().endswith("emerge --oneshot --usepkg=n app-misc/usesfoo:0")


def test_users_of_glibc_are_all_that_is_linked_to_it(system: Callable[..., Root]) -> None:
    root = system()
    found = rebuild(root, "--users-of", "sys-libs/glibc")
    needing = {
        f"{path.parent.parent.name}/{path.parent.name}"
        for path in (root.path / "var/db/pkg").glob("*/*/REQUIRES")
        if "libc.so.6" in path.read_text() and path.parent.parent.name != "sys-libs"
    }
    assert found.keys() <= needing | {"dev-libs/foo-2"}
    assert root.run("portage-ext", "rebuild", "--users-of", "app-misc/nothing").failed().stderr
