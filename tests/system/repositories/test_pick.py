"""`emerge --sync` of a repository with sync-type pick: the listed packages, what they need, and nothing else."""

from __future__ import annotations

from tests.system.repositories.overlays import Client, Overlay


def test_a_listed_package_and_what_it_needs_can_be_merged(client: Client, guru: Overlay) -> None:
    client.configure(guru)
    client.list("# larry's", "app-misc/keyd::guru  # a daemon")
    said = client.sync().ok()
    assert client.packages() == {"app-misc/keyd", "acct-group/keyd", "dev-libs/more"}, str(said)
    assert {one.name for one in client.picked().glob("eclass/*")} == {"inner.eclass", "outer.eclass"}
    assert "1 listed package, 2 needed packages" in said.stdout
    run = client.root.emerge("-1", "app-misc/keyd::guru", USE="extra").ok()
    assert client.root.installed() == {"app-misc/keyd-1.0", "acct-group/keyd-0", "dev-libs/base-1.0", "dev-libs/more-2.1"}, str(
        run
    )
    assert not run.stderr, str(run)
    assert client.root.emerge("-p", "app-misc/stranger").failed()
