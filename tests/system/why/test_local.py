"""Packages in PKGDIR that emerge does not take or does not see."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.system.why.asking import why
from tests.system.why.conftest import Site
from tests.testkit import keys

A = "app-misc/a-1"


def test_a_file_that_the_index_lacks(site: Site) -> None:
    site.have_a()
    client = site.client
    client.etc("binrepos.conf", "")
    shutil.copytree(site.builder.pkgdir / "app-misc", client.pkgdir / "app-misc")
    answer = why(client, "app-misc/a")
    assert answer.kinds(A) == ["unindexed"]
    answer.follow(A)
    assert client.emerge("-p", "app-misc/a").ok().binaries() == {A}


def test_an_unsigned_package_where_signatures_are_asked_for(work: Path, site: Site) -> None:
    site.both(A)
    client = site.client
    client.features("buildpkg binpkg-multi-instance")
    shutil.copytree(site.ready, client.pkgdir, dirs_exist_ok=True)
    client.emerge("--buildpkgonly", "--usepkg-exclude=app-misc/a", "app-misc/a").ok()
    key = keys.new_key(work / "key")
    try:
        keys.trust(work / "gnupg", key)
        client.settings["BINPKG_GPG_VERIFY_GPG_HOME"] = str(work / "gnupg")
        client.settings["FEATURES"] = client.settings["FEATURES"].replace(" buildpkg ", " binpkg-request-signature ")
        client.write_settings()
        client.etc("portage-ext.toml", f'[sign]\nkey = "{key.fingerprint}"\nhomedir = "{key.home}"\n')
        client.emerge("-1", "app-misc/a").failed()
        answer = why(client, "app-misc/a")
        assert answer.kinds(A) == ["signature"]
        assert ["signature" in str(one["reasons"]) for one in answer.package(A)["candidates"]] == [True, True]
        answer.follow(A)
        assert why(client, "app-misc/a").kinds(A) == []
        client.emerge("-1", "app-misc/a").ok()
        assert client.merged()[A] == "binary"
    finally:
        keys.kill_agents(key.home)
