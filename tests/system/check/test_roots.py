"""What check and status say of an offline root, on the binhost and on its client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.releases.tree import Tree
from portage_ext.trust.root import ROOT_DIRECTORY
from tests.system.check.conftest import DAY, Pair, healthy, one
from tests.testkit import keys
from tests.testkit.offline import Offline


@pytest.fixture
def offline(work: Path) -> Iterator[Offline]:
    made = Offline.create(work, "ann")
    yield made
    keys.kill_agents(made.home)


def publish(pair: Pair, offline: Offline) -> str:
    return pair.host.run("root", "publish", str(offline.directory)).ok().stdout


def follow_root(pair: Pair, offline: Offline) -> None:
    chosen, place = offline.roots["ann"], f"{pair.url}/production/{ROOT_DIRECTORY}/keys/"
    pair.client.run("portage-ext", "trust", "add", "lab", "--root-key", chosen, "--from", place).ok()
    pair.client.emerge("-p", "--getbinpkgonly", "app-misc/flags").ok()


def test_a_root_that_expires_soon_is_said_on_both_sides(pair: Pair, offline: Offline) -> None:
    repository = Tree(pair.host.tree).release(1).repository
    offline.init("ann", 1, pair.host.key, more=("--repository", repository))
    publish(pair, offline)
    follow_root(pair, offline)
    healthy(pair.host.root)
    healthy(pair.client)
    root = offline.last()
    offline.forge(replace(root, version=2, expires=root.created + 30 * DAY), "ann")
    assert "it expires in 29 days" in publish(pair, offline)
    found = one(pair.host.root, "releases", "root 2 expires in 30 days")
    assert "root next DIR" in found["remedy"]
    assert "root publish DIR" in found["remedy"]
    pair.client.emerge("-p", "--getbinpkgonly", "app-misc/flags").ok()
    one(pair.client, "keys", "[lab]: root 2 expires in 30 days")


def test_a_live_release_that_the_root_does_not_count_is_said(pair: Pair, offline: Offline) -> None:
    repository = Tree(pair.host.tree).release(1).repository
    offline.init("ann", 1, pair.host.key, more=("--repository", repository, "--least-release", "2"))
    assert "clients refuse release 1 of production" in publish(pair, offline)
    one(pair.host.root, "releases", "clients refuse release 1: ")
    pair.host.run("publish", "--channel", "production", "--gates", "index").ok()
    healthy(pair.host.root)


def test_status_names_the_root_and_what_it_names(pair: Pair, offline: Offline) -> None:
    repository = Tree(pair.host.tree).release(1).repository
    offline.init("ann", 1, pair.host.key, more=("--repository", repository))
    publish(pair, offline)
    follow_root(pair, offline)
    (one,) = json.loads(pair.client.run("portage-ext", "status", "--json").ok().stdout)["followed"]
    assert (one["root"], one["pinned"]) == (1, [offline.roots["ann"]])
    assert one["trusted"] == [pair.host.key.fingerprint]
    assert "root 1 until" in pair.client.run("portage-ext", "status").ok().stdout
    shown = json.loads(pair.client.run("portage-ext", "root", "show", str(offline.directory), "--json").ok().stdout)
    assert (shown["version"], shown["signed_by"], shown["lacking"]) == (1, [offline.roots["ann"]], "")
