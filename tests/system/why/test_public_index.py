"""``why`` over an index as public binhosts have it: what Portage ignores there is told, and not that nobody has a binary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.why.asking import why
from tests.system.why.conftest import Site, tree
from tests.testkit import environments, httpd, keys, public_index
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


@pytest.mark.parametrize(
    "version",
    [environments.SUPPORTED[0], *(pytest.param(one, marks=pytest.mark.slow) for one in environments.SUPPORTED[1:])],
)
def test_packages_that_cannot_be_signed_are_told_where_a_signature_is_asked_for(work: Path, url: str, version: str) -> None:
    client = host(work, url, verify=True, version=version)
    # Portage before 3.0.81 heeds FEATURES only.
    client.features("binpkg-request-signature")
    run = client.emerge("-p", *NAMES).ok()
    assert run.binaries() == set()
    answer = why(client, *NAMES)
    assert (answer.kinds(SAME), answer.kinds(CHANGED)) == (["xpak"], ["xpak", "dependencies"])
    assert "binpkg-request-signature" in answer.reason(SAME, "xpak")["details"][0]
    assert answer.value["summary"]["reasons"] == {"dependencies": 1, "version": 1, "xpak": 3}
    assert [line for line in answer.value["said"] if "XPAK" in line and line in run.stderr]
    done = client.run("portage-ext", "why", NAMES[0])
    assert done.status == 3
    assert "Portage leaves it out: xpak, which cannot be" in done.stdout


@pytest.mark.slow
def test_a_package_that_is_built_again_as_gpkg_can_be_signed(work: Path, site: Site) -> None:
    site.both("app-misc/a-1")
    site.builder.settings["BINPKG_FORMAT"] = "xpak"
    site.builder.write_settings()
    site.build("app-misc/a")
    conf = (site.client.path / "etc/portage/binrepos.conf").read_text()
    site.client.etc("binrepos.conf", conf.replace("verify-signature = false", "verify-signature = true"))
    key = keys.new_key(work / "key")
    try:
        keys.trust(work / "gnupg", key)
        for root in (site.builder, site.client):
            root.settings["BINPKG_GPG_VERIFY_GPG_HOME"] = str(work / "gnupg")
            root.write_settings()
        site.builder.etc("portage-ext.toml", f'[sign]\nkey = "{key.fingerprint}"\nhomedir = "{key.home}"\n')
        answer = why(site.client, "app-misc/a")
        assert answer.kinds("app-misc/a-1") == ["xpak"]
        assert f"({site.client.path}/etc/portage/binrepos.conf:4)" in answer.reason("app-misc/a-1", "xpak")["details"][0]
        for remedy in answer.reason("app-misc/a-1", "xpak")["remedies"]:
            # sign ends with 1 as long as the old package is there, too.
            site.builder.run("sh", "-c", remedy["command"])
        site.client.forget_downloads()
        site.client.emerge("-1", "app-misc/a").ok()
        assert site.client.merged() == {"app-misc/a-1": "binary"}
    finally:
        keys.kill_agents(key.home)
