"""What ``why`` prints, and how it ends: text, JSON, sets, the one change that wins most, exit status."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable

import pytest

from tests.system.whitelist.whitelisting import ALPHA, BETA, FLAGS, HELLO, WEBKIT, overlay, whitelist
from tests.system.why.asking import why
from tests.system.why.conftest import Site
from tests.testkit import portages
from tests.testkit.roots import Root

WORLD = ("app-misc/flags", "app-misc/hello", "app-misc/only", "kde-apps/beta", "net-libs/webkit")


@pytest.fixture
def world(client: Root) -> Root:
    """A client with five packages in its world file: three are whitelisted, of which one comes as a binary and one has none."""
    overlay(client).data("app-misc/only-1")
    (client.path / "var/lib/portage/world").write_text("".join(f"{name}\n" for name in WORLD))
    whitelist(client, "app-misc/* on")
    client.etc("package.use", "app-misc/flags bar\n")
    return client


def test_a_set_is_told_with_a_summary(world: Root) -> None:
    answer = why(world, "@world")
    summary = answer.value["summary"]
    assert (summary["packages"], summary["binaries"], summary["without_candidate"]) == (6, 1, 1)
    assert summary["reasons"] == {"unlisted": 3, "use": 1}
    text = world.run("portage-ext", "why", "@world").stdout
    assert "6 packages: 1 as binaries, 5 compiled\n     3  not whitelisted\n     1  USE differs\n" in text
    assert "app-misc/only-1:0 will be compiled\n  no binhost and no PKGDIR has a binary of it\n" in text
    assert HELLO not in text
    assert HELLO in world.run("portage-ext", "why", "--all", "@world").stdout


def test_the_change_that_wins_most_wins_what_it_says(world: Root) -> None:
    change = why(world, "@world").value["summary"]["change"]
    assert set(change["packages"]) == {ALPHA, BETA, WEBKIT}
    before = world.emerge("-puDN", "@world").ok().binaries()
    world.run("sh", "-c", change["command"]).ok()
    assert world.emerge("-puDN", "@world").ok().binaries() - before == set(change["packages"])


def test_a_group_of_flags_can_be_the_change_that_wins_most(site: Site) -> None:
    names = [f"app-misc/{name}" for name in "ab"]
    for name in names:
        site.both(f"{name}-1", IUSE="python_targets_python3_12 python_targets_python3_13")
    site.build(*names, PYTHON_TARGETS="python3_13")
    site.client.settings["PYTHON_TARGETS"] = "python3_12"
    site.client.write_settings()
    change = why(site.client, *names).value["summary"]["change"]
    assert change["key"].startswith("PYTHON_TARGETS=")
    assert len(change["packages"]) == 2
    site.client.run("sh", "-c", change["command"]).ok()
    assert site.binaries(*names) == {f"{name}-1" for name in names}


def test_build_times_come_from_the_log(world: Root) -> None:
    times = [(1700000000 + 1000 * number, seconds) for number, seconds in enumerate((100, 5000, 300))]
    log = "".join(
        f"{start}:  >>> emerge (1 of 1) {FLAGS} to /\n{start + seconds}:  ::: completed emerge (1 of 1) {FLAGS} to /\n"
        for start, seconds in times
    )
    binary = f"1700009000:  >>> emerge (1 of 1) {FLAGS} to /\n1700009000:  === (1 of 1) Merging Binary ({FLAGS}::tiny)\n"
    log += f"{binary}1700009001:  ::: completed emerge (1 of 1) {FLAGS} to /\n"
    (world.path / "var/log/emerge.log").write_text(log)
    assert why(world, "app-misc/flags").package(FLAGS)["build_seconds"] == 300
    assert (
        f"{FLAGS}:0 will be compiled (about 5 min, median of recent builds)"
        in world.run("portage-ext", "why", "app-misc/flags").stdout
    )


def test_text_fits_80_columns_and_commands_stay_whole(world: Root) -> None:
    commands = [
        remedy["command"]
        for package in why(world, "@world").value["packages"]
        for candidate in package["candidates"][:1]
        for reason in candidate["reasons"]
        for remedy in reason["remedies"]
    ]
    lines = world.run("portage-ext", "why", "@world").stdout.splitlines()
    assert commands
    assert all(f"    {command}" in lines for command in commands)
    assert [line for line in lines if len(line) > 80 and ">>" not in line] == []


def on_terminal(root: Root, **variables: str) -> bytes:
    ours, theirs = pty.openpty()
    try:
        environment = root.variables() | {"TERM": "xterm"} | variables
        subprocess.run(["portage-ext", "why", "app-misc/flags"], env=environment, stdout=theirs, check=False)
        return os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)


def test_colours_on_a_terminal_only_and_not_with_no_color(world: Root) -> None:
    assert b"\033[" in on_terminal(world, NO_COLOR="")
    assert b"\033[" not in on_terminal(world, NO_COLOR="1")
    assert "\033" not in world.run("portage-ext", "why", "app-misc/flags", TERM="xterm", NO_COLOR="").stdout


def test_exit_status(world: Root) -> None:
    assert world.run("portage-ext", "why", "app-misc/hello").status == 0
    assert world.run("portage-ext", "why", "app-misc/only").status == 0
    assert world.run("portage-ext", "why", "app-misc/flags").status == 3
    failed = world.run("portage-ext", "why", "app-misc/nonsense")
    assert (failed.status, failed.stdout) == (1, "")
    assert 'there are no ebuilds to satisfy "app-misc/nonsense"' in failed.stderr
    for words in (["--", "--unmerge", "app-misc/hello"], ["app-misc/hello", "--", "--no-such-option"], ["--", "-v"]):
        assert world.run("portage-ext", "why", *words).status == 2


def test_nothing_on_standard_output_but_json(world: Root) -> None:
    world.etc("package.env", "app-misc/* on\napp-misc/hello gone\n")
    done = world.run("portage-ext", "why", "--json", "app-misc/flags")
    assert json.loads(done.stdout)["format"] == 1
    assert done.stderr.count("gone does not exist; this line does nothing for app-misc/hello") == 1


def test_nothing_is_changed(world: Root) -> None:
    def state() -> dict[str, bytes]:
        places = (path for path in world.path.rglob("*") if path.is_file() and "var/cache/edb" not in str(path))
        return {str(path): path.read_bytes() for path in places}

    before = state()
    world.run("portage-ext", "why", "@world")
    assert state() == before


def test_as_an_ordinary_user(world: Root) -> None:
    if os.getuid() != 0:
        pytest.skip("every test runs as an ordinary user already")
    done = world.run("portage-ext", "why", "app-misc/flags", as_user=65534)
    assert "USE differs: -bar" in done.stdout


@pytest.mark.parametrize("version", portages.several("COMPAT_PORTAGES"))
def test_with_every_portage(new_client: Callable[..., Root], version: str) -> None:
    root = new_client(version=version)
    whitelist(root, "app-misc/flags on")
    root.etc("package.use", "app-misc/flags bar\n")
    answer = why(root, "app-misc/flags", "app-misc/hello")
    assert (answer.kinds(FLAGS), answer.kinds(HELLO)) == (["use"], ["unlisted"])
    answer.follow(FLAGS)
    answer.follow(HELLO)
    assert root.emerge("-p", "app-misc/flags", "app-misc/hello").ok().binaries() == {FLAGS, HELLO}


def test_with_root(new_client: Callable[..., Root]) -> None:
    root = new_client(layout="root")
    answer = why(root, "app-misc/hello")
    assert answer.kinds(HELLO) == ["unlisted"]
    answer.follow(HELLO)
    assert root.emerge("-p", "app-misc/hello").ok().binaries() == {HELLO}
