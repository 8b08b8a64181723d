"""A reason each: the verdict names it, and following the printed remedy makes emerge take the binary."""

from __future__ import annotations

from tests.emerge.whitelisting import FLAGS, HELLO, overlay, whitelist
from tests.testkit.roots import Root
from tests.why.asking import why


def test_not_whitelisted(client: Root) -> None:
    answer = why(client, "app-misc/hello")
    assert answer.kinds(HELLO) == ["unlisted"]
    answer.follow(HELLO)
    assert client.emerge("-p", "app-misc/hello").ok().binaries() == {HELLO}


def test_use_differs_with_where_each_side_gets_it_from(client: Root) -> None:
    whitelist(client, "app-misc/flags on")
    client.etc("package.use", "# local\napp-misc/flags -foo bar\n")
    assert client.emerge("-p", "app-misc/flags").ok().sources() == {FLAGS}
    answer = why(client, "app-misc/flags")
    assert answer.kinds(FLAGS) == ["use"]
    details = answer.reason(FLAGS, "use")["details"]
    place = f"{client.path}/etc/portage/package.use:2"
    assert details == [
        f"bar: on here ({place}), off in the binary (USE of the binhost, profile default/linux/amd64)",
        f"foo: off here ({place}), on in the binary (set there for this package)",
    ]
    answer.follow(FLAGS)
    assert client.emerge("-p", "app-misc/flags").ok().binaries() == {FLAGS}


def test_tree_ahead_of_the_binhost(client: Root) -> None:
    newer = overlay(client)
    newer.data("app-misc/hello-1.2")
    whitelist(client, "app-misc/hello on")
    answer = why(client, "app-misc/hello")
    assert answer.kinds("app-misc/hello-1.2") == ["version"]
    reason = answer.reason("app-misc/hello-1.2", "version")
    assert reason["text"] == "the tree is ahead: 1.2 here, 1.1 there"
    assert reason["details"][0].startswith("built 20")
    answer.follow("app-misc/hello-1.2")
    assert client.merged() == {HELLO: "binary"}
