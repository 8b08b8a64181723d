"""A reason each: the verdict names it, and following the printed remedy makes emerge take the binary."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.toolchain.conftest import chain, portage, system, url
from tests.system.whitelist.whitelisting import FLAGS, HELLO, WEBKIT, overlay, whitelist
from tests.system.why.asking import Answer, why
from tests.system.why.conftest import PROFILE, Site
from tests.testkit import httpd
from tests.testkit.chain import Chain
from tests.testkit.roots import Root

__all__ = ["chain", "portage", "system", "url"]
A, A2 = "app-misc/a-1", "app-misc/a-2"


def test_not_whitelisted(client: Root) -> None:
    answer = why(client, "app-misc/hello")
    assert answer.kinds(HELLO) == ["unlisted"]
    answer.follow(HELLO)
    assert client.emerge("-p", "app-misc/hello").ok().binaries() == {HELLO}


def test_a_local_binary_that_is_not_whitelisted(client: Root, binhost_copy: Callable[..., None]) -> None:
    client.etc("binrepos.conf", "")
    binhost_copy(client, "app-misc/hello")
    answer = why(client, "app-misc/hello")
    assert answer.best(HELLO)["binrepo"] is None
    assert answer.kinds(HELLO) == ["unlisted"]
    answer.follow(HELLO)
    assert client.emerge("-p", "app-misc/hello").ok().binaries() == {HELLO}


def test_switched_off(client: Root) -> None:
    client.features("getbinpkg")
    whitelist(client, "app-misc/flags on", "app-misc/hel* off")
    answer = why(client, "app-misc/hello")
    assert answer.kinds(HELLO) == ["off"]
    assert f"{client.path}/etc/portage/package.env:2: app-misc/hel* off" in answer.reason(HELLO, "off")["text"]
    answer.follow(HELLO)
    assert client.emerge("-p", "app-misc/hello").ok().binaries() == {HELLO}


def test_another_binhost_is_allowed(client: Root) -> None:
    client.etc("env/lab", 'FEATURES="getbinpkg"\nGETBINPKG_FROM="lab"\n')
    client.etc("package.env", "app-misc/hello lab\n")
    answer = why(client, "app-misc/hello")
    assert answer.kinds(HELLO) == ["binhost"]
    assert "allows only lab" in answer.reason(HELLO, "binhost")["text"]
    answer.follow(HELLO)
    assert client.emerge("-p", "app-misc/hello").ok().binaries() == {HELLO}


def test_use_differs_with_where_each_side_gets_it_from(client: Root) -> None:
    whitelist(client, "app-misc/flags on")
    client.etc("package.use", "# local\napp-misc/flags -foo bar\n")
    assert client.emerge("-p", "app-misc/flags").ok().sources() == {FLAGS}
    answer = why(client, "app-misc/flags")
    assert answer.kinds(FLAGS) == ["use"]
    place = f"{client.path}/etc/portage/package.use:2"
    assert answer.reason(FLAGS, "use")["details"] == [
        f"bar: on here ({place}), off in the binary (USE of the binhost, profile default/linux/amd64)",
        f"foo: off here ({place}), on in the binary (set there for this package)",
    ]
    answer.follow(FLAGS)
    assert client.emerge("-p", "app-misc/flags").ok().binaries() == {FLAGS}


def test_use_from_a_wider_place(site: Site) -> None:
    site.both(A, IUSE="foo")
    site.build("app-misc/a")

    def asked(place: str, **variables: str) -> Answer:
        answer = why(site.client, "app-misc/a", **variables)
        assert answer.kinds(A) == ["use"], place
        assert answer.reason(A, "use")["details"][0].startswith(f"foo: on here ({place})")
        return answer

    def followed(place: str) -> None:
        before = {path for path in (site.client.path / "etc/portage").rglob("*") if path.is_file()}
        asked(place).follow(A)
        assert site.binaries("app-misc/a") == {A}
        (made,) = {path for path in (site.client.path / "etc/portage").rglob("*") if path.is_file()} - before
        made.unlink()

    asked("the environment", USE="foo")
    site.client.settings["USE"] = "foo"
    site.client.write_settings()
    followed(f"{site.client.path}/etc/portage/make.conf:{list(site.client.settings).index('USE') + 1}")
    del site.client.settings["USE"]
    site.client.write_settings()
    defaults = site.here.location / PROFILE
    before = defaults.read_text()
    defaults.write_text(f'{before}USE="foo"\n')
    followed(f"{defaults}:{len(before.splitlines()) + 1}")
    defaults.write_text(before)
    of_packages = defaults.with_name("package.use")
    of_packages.write_text("app-misc/a foo\n")
    followed(f"{of_packages}:1")


@pytest.mark.parametrize("how", ["force", pytest.param("mask", marks=pytest.mark.slow)])
def test_use_that_the_profile_fixes(site: Site, how: str) -> None:
    site.both(A, IUSE="foo bar")
    site.build("app-misc/a", USE="foo" if how == "mask" else "")
    file = site.here.location / f"profiles/default/linux/amd64/package.use.{how}"
    file.write_text("app-misc/a foo\n")
    answer = why(site.client, "app-misc/a")
    assert answer.kinds(A) == ["use"]
    assert f"({file}:1)" in answer.reason(A, "use")["details"][0]
    answer.follow(A)
    assert site.binaries("app-misc/a") == {A}


@pytest.mark.slow
def test_use_expand_groups(site: Site) -> None:
    groups = {
        "CPU_FLAGS_X86": ("avx2", "sse4_2"),
        "L10N": ("de", "fr"),
        "PYTHON_TARGETS": ("python3_12", "python3_13"),
        "VIDEO_CARDS": ("intel", "amdgpu"),
    }
    names = {group: f"app-misc/{group.lower().replace('_', '-')}" for group in groups}
    for group, (ours, theirs) in groups.items():
        site.both(f"{names[group]}-1", IUSE=f"{group.lower()}_{ours} {group.lower()}_{theirs}")
        site.client.settings[group] = ours
    site.client.write_settings()
    site.build(*names.values(), "--jobs=2", **{group: theirs for group, (_, theirs) in groups.items()})
    answer = why(site.client, *names.values())
    for group, (ours, theirs) in groups.items():
        cpv = f"{names[group]}-1"
        assert answer.kinds(cpv) == ["use-expand"]
        reason = answer.reason(cpv, "use-expand")
        flags = sorted([f"-{ours}", theirs], key=lambda flag: flag.lstrip("-"))
        assert reason["text"] == f"{group} differs: {' '.join(flags)}"
        assert any("etc/portage/make.conf:" in detail for detail in reason["details"])
        answer.follow(cpv)
    assert site.binaries(*names.values()) == {f"{name}-1" for name in names.values()}


def test_iuse_differs(site: Site) -> None:
    """What the ebuilds name, and what every package has without naming it (PMS, IUSE_EFFECTIVE)."""
    for repository in (site.there, site.here):
        with open(repository.location / PROFILE, "a") as file:
            file.write('USE_EXPAND="${USE_EXPAND} ELIBC"\nUSE_EXPAND_VALUES_ELIBC="glibc musl"\n')
    implicit = {"app-misc/named-here-1": "amd64 elibc_musl elibc_glibc", "app-misc/named-there-1": "elibc_musl prefix"}
    site.there.data(A, IUSE="foo")
    site.here.data(A, IUSE="foo bar")
    for (cpv, iuse), (named, silent) in zip(implicit.items(), ((site.here, site.there), (site.there, site.here)), strict=True):
        named.data(cpv, IUSE=iuse)
        silent.data(cpv)
    names = ("app-misc/a", "app-misc/named-here", "app-misc/named-there")
    site.build(*names, "--jobs=2")
    answer = why(site.client, *names)
    assert answer.kinds(A) == ["iuse"]
    assert "bar: off here" in answer.reason(A, "iuse")["details"][0]
    for cpv, iuse in implicit.items():
        assert answer.kinds(cpv) == ["iuse-implicit"], cpv
        text = answer.reason(cpv, "iuse-implicit")["text"]
        assert text.partition(": ")[2].partition(";")[0].split(", ") == sorted(iuse.split())
    for cpv in (A, *implicit):
        remedies = {
            one["command"] for reason in answer.best(cpv)["reasons"] for one in reason["remedies"] if not one["instead"]
        }
        assert remedies == {f"emerge --oneshot --buildpkg ={cpv}"}
    site.sync()
    # All of them at once, which is what the remedies do one after the other.
    site.build(*names)
    assert site.binaries(*names) == {A, *implicit}


def test_tree_ahead_of_the_binhost(client: Root) -> None:
    newer = overlay(client)
    newer.data("app-misc/hello-1.2")
    whitelist(client, "app-misc/hello on")
    answer = why(client, "app-misc/hello")
    assert answer.kinds("app-misc/hello-1.2") == ["version"]
    reason = answer.reason("app-misc/hello-1.2", "version")
    assert reason["text"] == "the tree is ahead: 1.2 here, 1.1 there"
    assert reason["details"][0].startswith("built 20")
    assert answer.planned("app-misc/hello-1.2") == {HELLO}


def test_tree_ahead_and_the_binhost_builds_it(site: Site) -> None:
    site.have_a()
    site.here.data(A2)
    answer = why(site.client, "app-misc/a")
    assert answer.kinds(A2) == ["version"]
    (instead,) = [one for one in answer.reason(A2, "version")["remedies"] if one["instead"]]
    site.sync()
    site.builder.run("sh", "-c", instead["command"]).ok()
    assert site.binaries("app-misc/a") == {A2}


def test_binhost_ahead_of_the_tree(site: Site) -> None:
    site.both(A)
    site.there.data(A2)
    site.build("app-misc/a")
    answer = why(site.client, "app-misc/a")
    assert answer.kinds(A) == ["no-ebuild"]
    answer.follow(A)
    assert site.client.merged() == {A2: "binary"}
    # Now the tree has it as well, and another package does not go with it.
    site.here.data(A2)
    site.here.data("app-misc/b-1", RDEPEND="<app-misc/a-2")
    answer = why(site.client, "app-misc/b")
    assert answer.kinds(A) == ["version"]
    reason = answer.reason(A, "version")
    assert (reason["text"], reason["details"]) == (
        "newer than 1, which other packages need",
        ["app-misc/b-1 needs <app-misc/a-2"],
    )
    answer.follow(A, binhost=site.builder)
    assert site.binaries("app-misc/b") == {A}


def test_a_binary_newer_than_what_was_asked_for(client: Root) -> None:
    whitelist(client, "net-libs/webkit on")
    overlay(client).data("net-libs/webkit-0.9")
    older = "net-libs/webkit-0.9"
    answer = why(client, f"={older}")
    assert answer.kinds(older) == ["version"]
    assert answer.reason(older, "version")["text"] == f"newer than 0.9, which was asked for: ={older}"
    assert answer.planned(older) == {WEBKIT}


def test_getbinpkg_is_off_by_an_option(client: Root) -> None:
    whitelist(client, "app-misc/hello on")
    answer = why(client, "app-misc/hello", "--", "--getbinpkg=n")
    assert answer.kinds(HELLO) == ["off"]
    assert answer.reason(HELLO, "off")["text"] == "getbinpkg is off for this run (--getbinpkg=n, the command line)"
    client.settings["EMERGE_DEFAULT_OPTS"] = "--getbinpkg=n"
    client.write_settings()
    answer = why(client, "app-misc/hello", "app-misc/flags")
    assert answer.reason(HELLO, "off")["text"] == "getbinpkg is off for this run (--getbinpkg=n, EMERGE_DEFAULT_OPTS)"
    assert answer.kinds(FLAGS) == ["off", "unlisted"]
    assert "[ebuild" in client.emerge("-p", "app-misc/hello").ok().stdout
    answer.follow(HELLO)
    assert client.merged() == {HELLO: "binary"}


@pytest.mark.parametrize("features", [pytest.param("-getbinpkg", marks=pytest.mark.slow), "parallel-fetch -getbinpkg"])
def test_getbinpkg_is_off_by_the_environment(client: Root, features: str) -> None:
    whitelist(client, "app-misc/hello on")
    answer = why(client, "app-misc/hello", FEATURES=features)
    assert answer.kinds(HELLO) == ["off"]
    (remedy,) = answer.reason(HELLO, "off")["remedies"]
    planned = client.run("sh", "-c", remedy["command"], FEATURES=features, EMERGE_DEFAULT_OPTS="--pretend").ok()
    assert planned.binaries() == {HELLO}


def test_a_newer_version_is_masked(site: Site) -> None:
    """Each in its way; it would come as a binary if it were not."""
    names = {kind: f"app-misc/{kind}" for kind in ("keywords", "mask", "license", "masked")}
    variables = {"keywords": {"KEYWORDS": "~amd64"}, "license": {"LICENSE": "EULA"}, "masked": {"PROPERTIES": "interactive"}}
    for kind, name in names.items():
        site.both(f"{name}-1")
        site.both(f"{name}-2", **variables.get(kind, {}))
    site.builder.settings["ACCEPT_KEYWORDS"] = "~amd64"
    site.builder.write_settings()
    site.client.settings |= {"ACCEPT_LICENSE": "GPL-2", "ACCEPT_PROPERTIES": "-interactive"}
    site.client.write_settings()
    file = site.client.etc("package.mask", "# breaks the boot\n=app-misc/mask-2\n")
    site.build(*names.values())
    assert site.binaries(*names.values()) == set()
    answer = why(site.client, *names.values())
    assert answer.reason("app-misc/mask-1", "mask")["text"] == f"masked: {file}: breaks the boot"
    for kind, name in names.items():
        assert answer.kinds(f"{name}-1") == [kind]
        answer.follow(f"{name}-1")
    assert site.binaries(*names.values()) == {f"{name}-2" for name in names.values()}


def test_chost(site: Site) -> None:
    site.both(A)
    site.builder.settings["CHOST"] = "x86_64-other-linux-gnu"
    site.builder.write_settings()
    site.build("app-misc/a")
    answer = why(site.client, "app-misc/a")
    assert answer.kinds(A) == ["chost"]
    answer.follow(A)
    assert site.binaries("app-misc/a") == {A}


def test_changed_dependencies(site: Site) -> None:
    site.both("app-misc/b-1")
    site.have_a()
    site.here.data(A, RDEPEND="app-misc/b")
    answer = why(site.client, "app-misc/a")
    assert answer.kinds(A) == ["dependencies"]
    assert answer.reason(A, "dependencies")["details"] == ["RDEPEND: +app-misc/b"]
    site.sync()
    answer.follow(A, binhost=site.builder)
    assert A in site.binaries("app-misc/a")


def test_slot_binding_that_does_not_fit(site: Site) -> None:
    site.both("dev-libs/lib-1", SLOT="0/1")
    both = {"DEPEND": "dev-libs/lib:=", "RDEPEND": "dev-libs/lib:="}
    site.both(A, **both)
    site.build("app-misc/a", merge=True)
    site.here.data("dev-libs/lib-2", SLOT="0/2")
    answer = why(site.client, "app-misc/a")
    assert answer.kinds(A) == ["bindings"]
    assert "dev-libs/lib:0/1=" in answer.reason(A, "bindings")["text"]
    site.sync()
    site.build("dev-libs/lib", merge=True)
    answer.follow(A, binhost=site.builder)
    assert site.binaries("app-misc/a") == {A, "dev-libs/lib-2"}


def test_excluded_in_binrepos_conf(client: Root) -> None:
    whitelist(client, "app-misc/hello on", "app-misc/flags on")
    conf = (client.path / "etc/portage/binrepos.conf").read_text()
    file = client.etc("binrepos.conf", conf + "getbinpkg-exclude = app-misc/flags app-misc/hello\n")
    answer = why(client, "app-misc/hello")
    assert answer.kinds(HELLO) == ["excluded"]
    assert f"({file}:" in answer.reason(HELLO, "excluded")["text"]
    answer.follow(HELLO)
    assert client.emerge("-p", "app-misc/hello", "app-misc/flags").ok().binaries() == {HELLO}


def test_not_included_in_binrepos_conf(client: Root) -> None:
    whitelist(client, "app-misc/hello on")
    conf = (client.path / "etc/portage/binrepos.conf").read_text()
    client.etc("binrepos.conf", conf + "getbinpkg-include = app-misc/flags\n")
    answer = why(client, "app-misc/hello")
    assert answer.kinds(HELLO) == ["excluded"]
    answer.follow(HELLO)
    assert client.emerge("-p", "app-misc/hello").ok().binaries() == {HELLO}


@pytest.mark.parametrize("option", ["--usepkg-exclude", pytest.param("--getbinpkg-exclude", marks=pytest.mark.slow)])
def test_excluded_by_an_option(client: Root, option: str) -> None:
    whitelist(client, "app-misc/hello on")
    answer = why(client, "app-misc/hello", "--", f"{option}=app-misc/hello")
    assert answer.kinds(HELLO) == ["excluded"]
    assert answer.reason(HELLO, "excluded")["text"] == f"{option} app-misc/hello (the command line)"
    defaults = {"EMERGE_DEFAULT_OPTS": f"{option}=app-misc/hello"}
    answer = why(client, "app-misc/hello", **defaults)
    assert answer.reason(HELLO, "excluded")["text"] == f"{option} app-misc/hello (EMERGE_DEFAULT_OPTS)"
    answer.follow(HELLO)
    assert client.merged() == {HELLO: "binary"}


def test_user_patches(site: Site) -> None:
    site.have_a()
    site.client.etc("patches/app-misc/a/fix.patch", "--- a\n+++ b\n")
    answer = why(site.client, "app-misc/a")
    assert answer.kinds(A) == ["patches"]
    assert answer.reason(A, "patches")["text"] == "this host has user patches for it: app-misc/a/fix.patch"
    assert answer.planned(A) == {A}


@pytest.mark.parametrize("listed", [pytest.param(True, marks=pytest.mark.slow), False])
def test_symbol_versions(work: Path, chain: Chain, system: Callable[..., Root], listed: bool) -> None:
    ours = system()
    lvm = "sys-fs/lvm2-2.04"
    # A second build of the same at another binhost; nothing of it is fetched.
    header, *entries = (chain.pkgdir / "Packages").read_text().split("\n\n")
    entry = next(one for one in entries if f"CPV: {lvm}\n" in one)
    again = re.sub("^BUILD_TIME: .*$", "BUILD_TIME: 1", re.sub("^BUILD_ID: .*$", "BUILD_ID: 9", entry, flags=re.M), flags=re.M)
    (work / "other/again").mkdir(parents=True)
    (work / "other/again/Packages").write_text(f"{header}\n\n{again}\n\n")
    ours.etc("env/on", 'FEATURES="getbinpkg"\n')
    ours.etc("package.env", f"sys-apps/util-linux on\n{'sys-fs/lvm2 on' if listed else ''}\n")
    conf = (ours.path / "etc/portage/binrepos.conf").read_text()
    with httpd.serve(work / "other") as other:
        ours.etc("binrepos.conf", f"{conf}\n[again]\nsync-uri = {other.url}/again\nlocation = {work}/downloads\n")
        answer = why(ours, "sys-fs/lvm2")
    ours.etc("binrepos.conf", conf)
    kinds = ([] if listed else ["unlisted"]) + ["symbols"]
    assert answer.kinds(lvm) == kinds
    builds = {one["binrepo"]: [reason["kind"] for reason in one["reasons"]] for one in answer.package(lvm)["candidates"]}
    assert builds["again"] == kinds
    assert "needs libblkid.so.1 (BLKID_2_40)" in answer.reason(lvm, "symbols")["details"][0]
    answer.follow(lvm)
    ours.emerge("-1", "sys-fs/lvm2").ok()
    assert ours.merged()[lvm] == "binary"


def test_slot_of_the_ebuild_has_changed(site: Site) -> None:
    site.there.data(A, SLOT="0/1")
    site.here.data(A, SLOT="0/2")
    site.here.data("app-misc/b-1", RDEPEND="app-misc/a:0/2")
    site.build("app-misc/a")
    answer = why(site.client, "app-misc/b")
    assert answer.kinds(A) == ["resolver"]
    assert answer.reason(A, "resolver")["details"] == ["app-misc/b-1 needs app-misc/a:0/2"]
    assert [step["command"] for step in answer.reason(A, "resolver")["remedies"]] == [f"emerge --oneshot --buildpkg ={A}"]
    options = ("app-misc/a", "--", "--changed-slot")
    answer = why(site.client, *options)
    assert answer.kinds(A) == ["slot"]
    assert answer.reason(A, "slot")["text"] == "built for slot 0/1, the ebuild here has 0/2"
    site.sync()
    answer.follow(A, binhost=site.builder)
    assert site.binaries("app-misc/a", "--changed-slot") == {A}


def test_live_package(site: Site) -> None:
    site.both("app-misc/a-9999", PROPERTIES="live")
    site.build("app-misc/a")
    answer = why(site.client, "app-misc/a", "--", "--usepkg-exclude-live")
    assert answer.kinds("app-misc/a-9999") == ["live"]
    assert answer.planned("app-misc/a-9999") == {"app-misc/a-9999"}
