"""The line in emerge itself: when it comes, and when it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.system.whitelist.whitelisting import FLAGS, HELLO, overlay, whitelist
from tests.testkit import portages
from tests.testkit.roots import Root

LINE = "portage-ext: 1 whitelisted package will be compiled. For the reason, run: portage-ext why app-misc/flags"


@pytest.fixture
def fallen(client: Root) -> Root:
    """A client with one whitelisted package that its USE keeps from being a binary."""
    whitelist(client, "app-misc/hello on", "app-misc/flags on")
    client.etc("package.use", "app-misc/flags bar\n")
    return client


@pytest.mark.parametrize("option", ["-p", *(pytest.param(one, marks=pytest.mark.slow) for one in ("-pv", "-pt"))])
def test_before_the_list(fallen: Root, option: str) -> None:
    run = fallen.emerge(option, "app-misc/hello", "app-misc/flags", "net-libs/webkit").ok()
    assert run.stderr.splitlines().count(LINE) == 1
    assert "portage-ext" not in run.stdout
    assert run.plan()[FLAGS] == "ebuild"


def test_before_the_list_and_not_after(fallen: Root) -> None:
    both = fallen.run("sh", "-c", "emerge -p app-misc/hello app-misc/flags 2>&1").ok().stdout
    assert both.index(LINE) < both.index("[ebuild ")


def test_in_a_run_that_shows_no_list(fallen: Root) -> None:
    run = fallen.emerge("-1", "app-misc/hello", "app-misc/flags").ok()
    assert run.stderr.splitlines().count(LINE) == 1
    assert fallen.merged() == {HELLO: "binary", FLAGS: "ebuild"}


def test_the_command_it_names_answers(fallen: Root) -> None:
    run = fallen.emerge("-p", "app-misc/flags").ok()
    command = next(line for line in run.stderr.splitlines() if "portage-ext why" in line).partition(": portage-ext ")[2]
    assert "USE differs: -bar" in fallen.run("portage-ext", *command.split()).stdout


def test_quiet(fallen: Root) -> None:
    assert "portage-ext" not in fallen.emerge("-pq", "app-misc/flags").ok().text


def test_nothing_to_say(fallen: Root) -> None:
    (fallen.path / "etc/portage/package.use").unlink()
    assert "portage-ext" not in fallen.emerge("-p", "app-misc/hello", "app-misc/flags", "net-libs/webkit").ok().text


def test_portageq_stays_silent(fallen: Root) -> None:
    run = fallen.run("portageq", "best_visible", str(fallen.path), "app-misc/flags").ok()
    assert "portage-ext" not in run.text


def test_a_named_package_without_any_binary(client: Root) -> None:
    overlay(client).data("app-misc/only-1")
    whitelist(client, "app-misc/only on")
    run = client.emerge("-p", "app-misc/only")
    assert "1 whitelisted package will be compiled. For the reason, run: portage-ext why app-misc/only" in run.stderr
    whitelist(client, "app-misc/* on")
    assert "portage-ext" not in client.emerge("-p", "app-misc/only").ok().text


def test_getbinpkg_for_the_run(client: Root) -> None:
    client.etc("package.use", "app-misc/flags bar\n")
    overlay(client).data("app-misc/only-1")
    run = client.emerge("-pg", "app-misc/hello", "app-misc/flags", "app-misc/only").ok()
    assert "portage-ext: 1 package will be compiled. For the reason, run: portage-ext why app-misc/flags -- -g\n" in run.stderr


@pytest.mark.parametrize("version", portages.several("COMPAT_PORTAGES"))
def test_with_every_portage(new_client: Callable[..., Root], version: str) -> None:
    root = new_client(version=version)
    whitelist(root, "app-misc/flags on")
    root.etc("package.use", "app-misc/flags bar\n")
    assert LINE in root.emerge("-p", "app-misc/flags").ok().stderr


def test_the_command_keeps_the_options_of_the_run(client: Root) -> None:
    run = client.emerge("-pvg", "--usepkg-exclude", "app-misc/hello", "app-misc/hello").ok()
    (line,) = [line for line in run.stderr.splitlines() if "portage-ext why" in line]
    command = line.partition(": ")[2].partition(": ")[2]
    assert command == "portage-ext why app-misc/hello -- -g --usepkg-exclude=app-misc/hello"
    answer = client.run("sh", "-c", command).stdout
    assert "--usepkg-exclude app-misc/hello" in answer
    assert "not whitelisted" not in answer
    remedy = next(text.strip() for text in answer.splitlines() if text.strip().startswith("emerge "))
    client.run("sh", "-c", remedy).ok()
    assert client.merged() == {HELLO: "binary"}, "the remedy keeps -g and drops what is in the way"
