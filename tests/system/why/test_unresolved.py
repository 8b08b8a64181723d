"""Where emerge makes no list because every version is masked, the binaries are told all the same, and what masks them."""

from __future__ import annotations

import json

import pytest

from tests.system.why.asking import Answer
from tests.system.why.conftest import Site

A, B = "app-misc/a-1", "app-misc/b-1"


def ask(site: Site, *words: str) -> Answer:
    """The answer to a request that emerge could not resolve."""
    site.client.forget_downloads()
    done = site.client.run("portage-ext", "why", "--json", *words)
    assert done.status == 1, str(done)
    return Answer(site.client, json.loads(done.stdout))


@pytest.mark.parametrize("kind", ["mask", *(pytest.param(one, marks=pytest.mark.slow) for one in ("keywords", "license"))])
def test_every_version_is_masked(site: Site, kind: str) -> None:
    site.both(B, RDEPEND="app-misc/a")
    if kind == "mask":
        site.have_a()
    else:
        site.both(A, **{"keywords": {"KEYWORDS": "~amd64"}, "license": {"LICENSE": "EULA"}}[kind])
        site.builder.settings["ACCEPT_KEYWORDS"] = "~amd64"
        site.builder.write_settings()
        site.build("app-misc/a")
    if kind == "license":
        site.client.settings["ACCEPT_LICENSE"] = "GPL-2"
        site.client.write_settings()
    if kind == "mask":
        site.client.etc("package.mask", "# breaks the boot\napp-misc/a\n")
    said = site.client.emerge("-p", "app-misc/a").failed().stderr
    for asked in ("app-misc/a", "app-misc/b"):
        answer = ask(site, asked)
        package = answer.package(A)
        assert (package["taken"], [one["kind"] for one in package["masks"]]) == ("nothing", [kind])
        assert answer.kinds(A) == [kind]
        assert not answer.value["resolved"]
    assert 'All ebuilds that could satisfy "app-misc/a" have been masked' in said
    assert any("have been masked" in line for line in answer.value["said"]), "emerge's own words are kept"
    text = site.client.run("portage-ext", "why", "app-misc/a").stdout
    assert "app-misc/a-1:0 cannot be merged\n  the ebuild is masked: " in text
    answer.follow(A)
    assert site.binaries("app-misc/a") == {A}


def test_binaries_alone_are_asked_for_and_none_is_listed(site: Site) -> None:
    site.have_a()
    site.client.etc("package.env", "")
    site.client.emerge("-pK", "app-misc/a").failed()
    answer = ask(site, "app-misc/a", "--", "-K")
    assert answer.kinds(A) == ["unlisted"]
    answer.follow(A)
    assert site.client.emerge("-pK", "app-misc/a").ok().binaries() == {A}
