"""The binhost has another profile: it is named as such, and lines for the package or its profile here make emerge take it."""

from __future__ import annotations

import gzip
import re
import shutil

import pytest

from tests.system.why.asking import why
from tests.system.why.conftest import PROFILE, Site

DESKTOP = "tiny:default/linux/amd64/desktop"
FLAGS, MASKED, OWN = "app-misc/flags-1", "app-misc/masked-2", "app-misc/own-1"
NAMES = ("app-misc/flags", "app-misc/masked", "app-misc/own")


@pytest.fixture
def desktop(site: Site) -> Site:
    """Both trees have a second profile, with which the binhost has built; one flag differs by this host's own doing."""
    for repository in (site.there, site.here):
        parent = (repository.location / PROFILE).parent
        (parent / "package.mask").write_text("# only for the desktop\n=app-misc/masked-2\n")
        (parent / "package.use.mask").write_text("app-misc/flags bar\n")
        child = parent / "desktop"
        child.mkdir()
        files = {
            "eapi": "8\n",
            "parent": "..\n",
            "make.defaults": 'VIDEO_CARDS="intel"\n',
            "package.use": "app-misc/flags foo bar\n",
            "package.use.mask": "app-misc/flags -bar\n",
            "package.mask": "-=app-misc/masked-2\n",
            "package.accept_keywords": "app-misc/masked ~amd64\n",
        }
        for name, text in files.items():
            (child / name).write_text(text)
    link = site.builder.path / "etc/portage/make.profile"
    target = link.readlink() / "desktop"
    link.unlink()
    link.symlink_to(target)
    site.both(FLAGS, IUSE="foo bar video_cards_intel")
    site.both("app-misc/masked-1")
    site.both(MASKED, KEYWORDS="~amd64")
    site.both(OWN, IUSE="foo")
    site.build(*NAMES, "--jobs=2")
    site.client.etc("package.use/own", "app-misc/own foo\n")
    return site


def kinds_if_the_index_says(site: Site, profile: str) -> list[str]:
    """Of FLAGS, when the index names another profile."""
    index = site.builder.pkgdir / "Packages"
    text = re.sub("^PROFILE: .*$", f"PROFILE: {profile}", index.read_text(), flags=re.M)
    index.write_text(text)
    (site.builder.pkgdir / "Packages.gz").write_bytes(gzip.compress(text.encode()))
    site.client.forget_downloads()
    return why(site.client, "app-misc/flags").kinds(FLAGS)


def test_what_the_profile_decides(desktop: Site) -> None:
    site, client = desktop, desktop.client
    answer = why(client, *NAMES)
    text = f"another profile: {DESKTOP} there, tiny:default/linux/amd64 here"
    for cpv, said in (
        (FLAGS, ["USE differs: bar foo", "VIDEO_CARDS differs: intel"]),
        ("app-misc/masked-1", ["only for the desktop", "masked: ~amd64 keyword"]),
    ):
        (reason,) = answer.best(cpv)["reasons"]
        assert (reason["kind"], reason["text"]) == ("profile", text)
        assert all(any(one in line for line in reason["details"]) for one in said), reason["details"]
    assert answer.kinds(OWN) == ["use"]
    change = answer.value["summary"]["change"]
    assert (change["key"], set(change["packages"])) == (f"the binhost's profile, {DESKTOP}", {FLAGS, MASKED})

    link = client.path / "etc/portage/make.profile"
    before = link.readlink()
    client.run("sh", "-c", change["command"]).ok()
    assert site.binaries(*NAMES) == {FLAGS, MASKED}
    link.unlink()
    link.symlink_to(before)
    shutil.copytree(before / "desktop", site.here.location / "elsewhere")
    (site.here.location / "elsewhere/parent").write_text(f"{before}\n")
    for astray in ("../elsewhere", "default/linux/amd64/none"):
        assert "profile" not in kinds_if_the_index_says(site, astray)
    assert "profile" in kinds_if_the_index_says(site, "default/linux/amd64/desktop")
    for cpv in (FLAGS, "app-misc/masked-1", OWN):
        answer.follow(cpv)
    assert site.binaries(*NAMES) == {FLAGS, MASKED, OWN}
