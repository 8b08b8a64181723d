"""Every form of atom that package.env takes, and how entries stack, seen in emerge's own list."""

from __future__ import annotations

import pytest

from tests.system.whitelist.whitelisting import (
    ALPHA,
    BETA,
    CXX,
    EVERYTHING,
    FLAGS,
    HELLO,
    SLOT1,
    SLOT2,
    WEBKIT,
    binaries,
    whitelist,
)  # fmt: skip
from tests.testkit.httpd import Server
from tests.testkit.roots import Root


@pytest.mark.parametrize(
    ("atom", "expected"),
    [
        ("app-misc/hello", {HELLO}),
        pytest.param("=app-misc/hello-1.1", {HELLO}, marks=pytest.mark.slow),
        pytest.param("=app-misc/hello-1*", {HELLO}, marks=pytest.mark.slow),
        pytest.param("~app-misc/hello-1.1", {HELLO}, marks=pytest.mark.slow),
        (">=app-misc/hello-1.1", {HELLO}),
        ("<app-misc/hello-1.1", set()),
        ("=app-misc/hello-1.1-1", {HELLO}),
        pytest.param("=app-misc/hello-1.1-2", set(), marks=pytest.mark.slow),
        pytest.param("app-misc/slotted:1", {SLOT1}, marks=pytest.mark.slow),
        ("app-misc/slotted:2/5", {SLOT2}),
        ("app-misc/slotted:2/6", set()),
        pytest.param("kde-*/*", {ALPHA, BETA}, marks=pytest.mark.slow),
        ("*/webkit", {WEBKIT}),
        ("*/*", EVERYTHING),
        ("app-misc/hello::tiny", {HELLO}),
        ("app-misc/hello::elsewhere", set()),
        pytest.param("app-misc/*::tiny", {HELLO, CXX, FLAGS, SLOT1, SLOT2}, marks=pytest.mark.slow),
        ("net-libs/webkit-nothing", set()),
    ],
)
def test_atom_lets_exactly_its_packages_come_as_binaries(client: Root, atom: str, expected: set[str]) -> None:
    whitelist(client, f"{atom} on")
    assert binaries(client) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["app-misc/* on", "app-misc/hello off"], {CXX, FLAGS, SLOT1, SLOT2}),
        pytest.param(["app-misc/hello off", "app-misc/* on"], {CXX, FLAGS, SLOT1, SLOT2}, marks=pytest.mark.slow),
        (["*/* on", "kde-apps/* off", "kde-apps/beta on"], EVERYTHING - {ALPHA}),
        pytest.param(["*/* off", "app-misc/hello on"], {HELLO}, marks=pytest.mark.slow),
        pytest.param(["app-misc/hello on", "app-misc/hello off"], set(), marks=pytest.mark.slow),
        pytest.param(["app-misc/hello off", "app-misc/hello on"], {HELLO}, marks=pytest.mark.slow),
        (["app-misc/hello on off"], set()),
        (["app-misc/hello off on"], {HELLO}),
        (["app-misc/hello on", "=app-misc/hello-1.1 off"], set()),
        pytest.param(["app-misc/hello on", "=app-misc/hello-1.0 off"], {HELLO}, marks=pytest.mark.slow),
        (["app-misc/hello on clear"], set()),
        (["# app-misc/hello on", "app-misc/flags on # app-misc/hello on", "  net-libs/webkit\ton"], {FLAGS, WEBKIT}),
        (["app-misc/hello variable"], {HELLO}),
        (["app-misc/hello sourced"], {HELLO}),
        pytest.param(["app-misc/hello other"], set(), marks=pytest.mark.slow),
    ],
)
def test_entries_stack_as_portage_stacks_features(client: Root, lines: list[str], expected: set[str]) -> None:
    client.settings["FROM_BINHOST"] = "getbinpkg"
    client.write_settings()
    client.etc("env/clear", 'FEATURES="-*"\n')
    client.etc("env/other", 'CFLAGS="-O1"\nFEATURES="nostrip"\n')
    client.etc("env/variable", 'FEATURES="${FROM_BINHOST}"\n')
    client.etc("env/sourced", f"source {client.path}/etc/portage/env/on\n")
    whitelist(client, *lines)
    assert binaries(client) == expected


def test_package_env_can_be_a_directory(client: Root) -> None:
    whitelist(client)
    (client.path / "etc/portage/package.env").unlink()
    client.etc("package.env/10-first", "app-misc/hello on\napp-misc/flags on\n")
    client.etc("package.env/20-second/deeper", "app-misc/flags off\nnet-libs/webkit on\n")
    client.etc("package.env/30-backup~", "kde-apps/* on\n")
    client.etc("package.env/.hidden", "kde-apps/* on\n")
    assert binaries(client) == {HELLO, WEBKIT}


def test_an_edit_holds_at_the_very_next_emerge_and_asks_for_the_index_once(client: Root, server: Server) -> None:
    whitelist(client, "app-misc/hello on")
    assert binaries(client) == {HELLO}
    whitelist(client, "app-misc/flags on", "app-misc/hello on")
    assert binaries(client) == {HELLO, FLAGS}
    whitelist(client, "app-misc/flags on")
    assert binaries(client) == {FLAGS}
    statuses = [request.status for request in server.log]
    assert statuses == [200, 304, 304]


def test_without_entries_nothing_is_asked_for_and_nothing_changes(client: Root, server: Server) -> None:
    client.etc("env/other", 'CFLAGS="-O1"\n')
    client.etc("package.env", "app-misc/hello other\n")
    assert binaries(client) == set()
    assert server.log == []
