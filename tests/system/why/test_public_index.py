"""``why`` over an index as public binhosts have it: what Portage ignores there is told, and not that nobody has a binary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.why.asking import why
from tests.system.why.conftest import tree
from tests.testkit import environments, httpd, public_index
from tests.testkit.public_index import CHANGED, NEWER, SAME
from tests.testkit.roots import Root

NAMES = tuple(cpv.rpartition("-")[0] for cpv in (SAME, CHANGED, NEWER))


@pytest.fixture
def url(work: Path) -> Iterator[str]:
    public_index.write(work / "served")
    with httpd.serve(work / "served") as server:
        yield server.url


def host(work: Path, url: str, *, verify: bool, version: str = environments.NEWEST) -> Root:
    """A host that takes whatever it can from the public binhost."""
    repository = tree(work / "tree")
    public_index.tree(repository)
    root = Root.create(work / "client", environments.environment(version), [repository], features="getbinpkg")
    location = f"{root.path}/var/cache/binhost/public"
    root.etc("binrepos.conf", f"[public]\nsync-uri = {url}\nlocation = {location}\nverify-signature = {str(verify).lower()}\n")
    return root


def test_two_and_more_dependencies_of_one_key_have_changed(work: Path, url: str) -> None:
    client = host(work, url, verify=False)
    assert client.emerge("-p", *NAMES).ok().binaries() == {SAME}
    answer = why(client, *NAMES)
    assert answer.kinds(CHANGED) == ["dependencies"]
    assert answer.reason(CHANGED, "dependencies")["details"] == [
        "RDEPEND: -app-misc/dep-a -app-misc/dep-b +app-misc/dep-c +app-misc/dep-d"
    ], "DEPEND differs too, but emerge does not look at it here"
    assert answer.kinds(NEWER) == ["version"]
