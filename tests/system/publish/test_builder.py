"""builder.json from the binhost's configuration through a signed release to a client that compares itself with it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from portage_ext.host import cpu as asking
from portage_ext.model import builder
from portage_ext.policy import cpu as policy
from tests.system.attacks.lab import binrepo
from tests.system.publish import site
from tests.system.publish.site import Host
from tests.system.whitelist.whitelisting import overlay
from tests.testkit import binpkgs
from tests.testkit.httpd import Server
from tests.testkit.roots import Root

EXPAND = {"USE_EXPAND": "VIDEO_CARDS PYTHON_TARGETS"}
SECRET = "hunter2"


def findings(client: Root, what: str = "lab", *words: str) -> dict[str, dict[str, str]]:
    outcome = client.run("portage-ext", "compare", what, "--json", *words)
    return {one["name"]: one for one in json.loads(outcome.stdout)["findings"]}


def printed(found: dict[str, str]) -> str:
    """The setting in a remedy, as it is to be written."""
    setting = re.search(r'[A-Z0-9_]+="[^"]*"', found["remedy"])
    assert setting is not None, found
    return setting[0]


def append(root: Root, line: str) -> None:
    """Write a line at the end of make.conf, where the last word counts."""
    with (root.path / "etc/portage/make.conf").open("a") as file:
        file.write(line + "\n")


@pytest.fixture
def published(work: Path, host: Host, web: Server) -> tuple[Host, Root, Server]:
    """A binhost for Intel graphics that has published in production, and a client of it with an AMD card."""
    host.root.settings |= {**EXPAND, "VIDEO_CARDS": "intel", "PYTHON_TARGETS": "python3_13", "RSYNC_PASSWORD": SECRET}
    host.root.write_settings()
    host.root.etc("package.use/flags", "app-misc/flags bar\n")
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    client = site.client(work, host, f"{web.url}/production")
    client.settings |= {**EXPAND, "VIDEO_CARDS": "amdgpu", "PYTHON_TARGETS": "python3_13"}
    client.write_settings()
    return host, client, web


def test_it_is_bound_by_the_release_and_read_back_verified(published: tuple[Host, Root, Server]) -> None:
    host, client, _ = published
    data = (host.tree / "production" / builder.NAME).read_bytes()
    theirs = builder.parse(data, "published")
    assert f"BUILDER: {builder.binding(data)}\n" in (host.tree / "production/Packages").read_text()
    assert (theirs.chost, theirs.arch, theirs.profile) == ("x86_64-pc-linux-gnu", "amd64", "tiny:default/linux/amd64")
    assert theirs.use_expand["VIDEO_CARDS"] == ("intel",)
    assert theirs.package_use == {"app-misc/flags": ("bar",)}
    told = json.loads(client.run("portage-ext", "compare", "lab", "--json").stdout)
    assert told["verified"] is True
    assert told["builder"]["chost"] == theirs.chost
    # The words of a Release stay those that the first version of its reader knows.
    keys = {line.split(":")[0] for line in (host.tree / "production/Release").read_text().splitlines()}
    assert keys <= {"Format", "Repository", "Channel", "Version", "Created", "Expires", "Keys-Next", "Index"}


def test_only_named_variables_leave_the_host(published: tuple[Host, Root, Server]) -> None:
    data = (published[0].tree / "production" / builder.NAME).read_text()
    assert SECRET not in data
    assert str(published[0].root.path) not in data


def test_the_gpu_trap_ends_when_its_remedy_is_followed_on_both_sides(published: tuple[Host, Root, Server]) -> None:
    host, client, _ = published
    trap = findings(client)["GPU (VIDEO_CARDS)"]
    line = printed(trap)
    assert line == 'VIDEO_CARDS="amdgpu intel"'
    assert client.run("portage-ext", "compare", "lab").status == 1
    for root in (host.root, client):
        append(root, line)
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    assert not [name for name in findings(client) if "VIDEO_CARDS" in name]
    assert client.run("portage-ext", "compare", "lab").status == 0


def test_python_targets_end_when_the_printed_line_is_written(published: tuple[Host, Root, Server]) -> None:
    _, client, _ = published
    client.settings["PYTHON_TARGETS"] = "python3_12"
    client.write_settings()
    found = findings(client)["PYTHON_TARGETS"]
    assert found["grade"] == "trap"
    append(client, printed(found))
    # A line for package.use is told as it is to be written there.
    told = findings(client)["package.use"]["what"].partition(": ")[2]
    client.etc("package.use/as-there", f"{told}\n")
    assert findings(client).keys().isdisjoint({"PYTHON_TARGETS", "package.use"})


@pytest.mark.parametrize(
    ("name", "there", "here"),
    [
        pytest.param("keywords", "ACCEPT_KEYWORDS='amd64 ~amd64'", "", marks=pytest.mark.slow),
        pytest.param("licence", "ACCEPT_LICENSE='*'", "ACCEPT_LICENSE='@FREE'", marks=pytest.mark.slow),
        ("USE", "USE='gtk -foo both'", "USE='foo both'"),
        pytest.param(
            "L10N",
            "USE_EXPAND='L10N VIDEO_CARDS PYTHON_TARGETS'\nL10N='de'",
            "USE_EXPAND='L10N VIDEO_CARDS PYTHON_TARGETS'",
            marks=pytest.mark.slow,
        ),
        ("CHOST", "CHOST='x86_64-other-linux-gnu'", ""),
    ],
)
def test_the_setting_that_is_printed_ends_the_finding(
    published: tuple[Host, Root, Server], name: str, there: str, here: str
) -> None:
    host, client, _ = published
    append(host.root, there)
    append(client, here)
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    before = findings(client)
    found = before[name]
    append(client, printed(found))
    # No other finding in its place: the line leaves alone what both sides have.
    assert findings(client).keys() == before.keys() - {name}


def test_a_package_with_other_flags_is_named_with_a_line_that_makes_emerge_take_it(
    published: tuple[Host, Root, Server],
) -> None:
    _, client, _ = published
    binpkgs.record_installed(client.path, "app-misc/flags-2.0", IUSE="+foo bar", USE="amd64 elibc_glibc foo kernel_linux")
    client.etc("package.use/flags", "app-misc/flags bar\n")
    found = findings(client)["installed packages"]
    assert "app-misc/flags:2 -bar" in found["remedy"] or "app-misc/flags:0 -bar" in found["remedy"], found
    assert "app-misc/flags-2.0" not in client.emerge("-p", "app-misc/flags").ok().binaries()
    line = next(part for part in found["remedy"].split(": ", 1)[1].split("; ") if part.startswith("app-misc/flags"))
    client.etc("package.use/zz-flags", line + "\n")
    assert "installed packages" not in findings(client)
    assert "app-misc/flags-2.0" in client.emerge("-p", "app-misc/flags").ok().binaries()


def test_a_binhost_for_another_cpu_is_unusable_until_it_builds_for_this_one(published: tuple[Host, Root, Server]) -> None:
    host, client, _ = published
    beyond = next((name for name in ("knl", "bdver4") if asking.judge((f"-march={name}",)).fit is policy.Fit.CANNOT), None)
    if beyond is None:
        pytest.skip("this CPU runs everything that the compiler knows")
    host.root.settings["CFLAGS"] = f"-O2 -march={beyond}"
    host.root.write_settings()
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    found = findings(client)["CPU"]
    assert found["grade"] == "unusable"
    append(host.root, printed(found))
    append(host.root, 'CFLAGS="${CFLAGS} -march=native"')
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    native = findings(client)
    assert "CPU" not in native
    append(host.root, printed(native["march"]))
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    assert findings(client).keys() == native.keys() - {"march"}


@pytest.mark.slow
def test_a_binhost_for_another_machine_is_unusable_until_its_setting_or_its_place_is_changed(
    published: tuple[Host, Root, Server],
) -> None:
    host, client, web = published
    append(host.root, 'ARCH="arm64"\nCPU_FLAGS_X86="sse2 padlock"')
    host.run("publish", "--channel", "arm", "--gates", "index").ok()
    conf = client.path / "etc/portage/binrepos.conf/lab.conf"
    conf.write_text(conf.read_text().replace("/production", "/arm"))
    found = findings(client)
    beyond = found["CPU_FLAGS_X86"]
    assert "padlock, which this CPU does not have" in beyond["what"]
    append(host.root, printed(beyond))
    host.run("publish", "--channel", "arm", "--gates", "index").ok()
    less = findings(client)["CPU_FLAGS_X86"]
    assert (beyond["grade"], less["grade"]) == ("unusable", "different")
    append(client, printed(less))
    assert set(findings(client)) == set(found) - {"CPU_FLAGS_X86"}

    section, _, command = found["ARCH"]["remedy"].partition(": ")
    assert section == "add a section for a binhost for amd64 to binrepos.conf; then run"
    client.etc("binrepos.conf/other.conf", binrepo(client, "other", f"{web.url}/production"))
    key = client.path / "key.asc"
    key.write_bytes(host.key.public())
    words = command.replace("NAME", "other").replace("FPR", host.key.fingerprint)
    client.run("sh", "-c", f"{words} --from {key}").ok()
    assert "ARCH" not in findings(client, "other")


def test_what_this_hosts_world_wants_and_the_binhost_lacks_ends_when_it_is_built_there(
    published: tuple[Host, Root, Server],
) -> None:
    host, client, _ = published
    for root in (host.root, client):
        overlay(root).data("app-misc/only-1")
        root.features("-binpkg-signing")
    (client.path / "var/lib/portage/world").write_text("app-misc/hello\napp-misc/slotted:2\napp-misc/slotted:9\n")
    (client.path / "var/lib/portage/world_sets").write_text("@mine\n")
    client.etc("sets/mine", "app-misc/only\n")
    found = findings(client)["world"]
    assert found["what"].endswith("app-misc/only; app-misc/slotted:9")
    (client.path / "var/lib/portage/world").write_text("app-misc/hello\napp-misc/slotted:2\n")
    found = findings(client)["world"]
    command = found["remedy"].removeprefix("on the binhost, run ").split("; ")[0]
    assert command == "emerge --buildpkg app-misc/only"
    host.root.run("sh", "-c", command).ok()
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    assert "world" not in findings(client)


def builder_like(client: Root, **changed: object) -> str:
    """The file of a binhost that is as this client, but for some values."""
    path = client.path / "theirs.json"
    own = json.loads(client.run("portage-ext", "compare", "--print").ok().stdout)
    path.write_text(json.dumps(own | changed))
    return str(path)


def test_licences_count_by_their_groups_and_the_printed_words_accept_the_rest(client: Root) -> None:
    append(client, 'ACCEPT_LICENSE="-* @FREE"')
    theirs = builder_like(client, accept_license=["GPL-2"])
    assert findings(client, theirs) == {}
    theirs = builder_like(client, accept_license=["GPL-2", "@ELSEWHERE", "EULA"])
    found = findings(client, theirs)
    assert list(found) == ["licence"]
    assert "under @ELSEWHERE; EULA; ACCEPT_LICENSE does not accept that" in found["licence"]["what"]
    append(client, printed(found["licence"]))
    assert findings(client, theirs) == {}


def test_commands_for_profile_and_toolchain_end_their_findings(client: Root) -> None:
    more = overlay(client)
    more.write("profiles/desktop/parent", "tiny:default/linux/amd64\n")
    more.write("profiles/desktop/eapi", "8\n")
    for version in ("13.1", "14.1"):
        more.data(f"sys-devel/gcc-{version}")
    client.emerge("-1", "=sys-devel/gcc-13.1").ok()
    theirs = builder_like(client, profile="overlay:desktop", toolchain={"sys-devel/gcc": ["14.1"]})
    found = findings(client, theirs)
    assert set(found) == {"profile", "sys-devel/gcc"}
    # eselect, which Debian does not have: this is what it does.
    eselect = client.path / "bin/eselect"
    eselect.write_text(
        '#!/bin/sh -e\ntest "$1 $2" = "profile set"\n'
        'place=$(portageq get_repo_path "$PORTAGE_OVERRIDE_EPREFIX/" "${3%%:*}")\n'
        'ln -sfn "$place/profiles/${3#*:}" "$PORTAGE_OVERRIDE_EPREFIX/etc/portage/make.profile"\n'
    )
    eselect.chmod(0o755)
    client.run("sh", "-c", found["profile"]["remedy"], PATH=f"{eselect.parent}:{client.variables()['PATH']}").ok()
    client.run("sh", "-c", found["sys-devel/gcc"]["remedy"].split(": ")[0]).ok()
    assert findings(client, theirs) == {}


def test_one_that_was_changed_on_the_way_is_refused(published: tuple[Host, Root, Server]) -> None:
    host, client, _ = published
    path = host.tree / "production" / builder.NAME
    data = path.read_bytes().replace(b"intel", b"amdgp")
    path.write_bytes(data)
    refused = client.run("portage-ext", "compare", "lab").failed()
    assert "[corrupt-file]" in refused.stderr, refused
    assert "[corrupt-file]" in client.run("portage-ext", "why", "app-misc/hello").stderr
    path.unlink()
    assert "[corrupt-file]" not in client.run("portage-ext", "why", "app-misc/hello").stderr
    assert "[not-found]" in client.run("portage-ext", "compare", "lab").failed().stderr


def test_a_url_counts_as_the_binrepo_whose_it_is_and_another_needs_a_word(published: tuple[Host, Root, Server]) -> None:
    host, client, web = published
    assert findings(client, f"{web.url}/production/")
    client.etc("binrepos.conf/lab.conf", "")
    (client.path / "etc/portage/binrepos.conf/zz-portage-ext-lab.conf").unlink()
    refused = client.run("portage-ext", "compare", f"{web.url}/production").failed()
    assert refused.status == 1
    assert "usage:" not in refused.stderr
    assert "--unverified" in refused.stderr
    assert findings(client, f"{web.url}/production", "--unverified")
    assert findings(client, str(host.tree / "production"))
    client.etc("binrepos.conf/lab.conf", f"[near]\nsync-uri = file://{host.tree}/production\n")
    assert findings(client, "near")


def test_one_host_prints_what_another_reads(published: tuple[Host, Root, Server]) -> None:
    host, client, _ = published
    own = client.path / "theirs.json"
    own.write_text(host.run("compare", "--print").ok().stdout)
    assert "GPU (VIDEO_CARDS)" in findings(client, str(own))
    own.write_text(client.run("portage-ext", "compare", "--print").ok().stdout)
    assert findings(client, str(own)) == {}
    assert "nothing differs" in client.run("portage-ext", "compare", str(own)).ok().stdout


def test_the_table_fits_80_columns_without_colour_in_a_pipe(published: tuple[Host, Root, Server]) -> None:
    _, client, _ = published
    text = client.run("portage-ext", "compare", "lab", TERM="xterm").stdout
    assert "\x1b" not in text
    assert all(len(line) <= 80 for line in text.splitlines()), text


def test_a_binhost_may_keep_it_to_itself_and_says_so_to_who_asks(work: Path, host: Host, web: Server) -> None:
    text = (host.root.path / "etc/portage/portage-ext.toml").read_text()
    host.root.etc("portage-ext.toml", text.replace("[publish]\n", "[publish]\nbuilder = false\n"))
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    assert builder.NAME not in os.listdir(host.tree / "production")
    client = site.client(work, host, f"{web.url}/production")
    assert "has no builder.json" in client.run("portage-ext", "compare", "lab").failed().stderr


def test_packages_that_another_configuration_built_get_none(work: Path, host: Host) -> None:
    elsewhere = work / "elsewhere"
    shutil.copytree(host.root.pkgdir, elsewhere)
    host.run("publish", "--channel", "production", "--gates", "index", "--pkgdir", str(elsewhere)).ok()
    assert builder.NAME not in os.listdir(host.tree / "production")
    told = host.run("compare", str(host.tree / "production")).failed()
    assert "another PKGDIR" in told.stderr


def test_promoted_and_renewed_releases_carry_it_on(published: tuple[Host, Root, Server]) -> None:
    host, client, _ = published
    host.run("publish").ok()
    host.root.settings["VIDEO_CARDS"] = "nouveau"
    host.root.write_settings()
    host.run("promote", "staging", "production", "--gates", "index").ok()
    staging, production = ((host.tree / name / builder.NAME).read_bytes() for name in ("staging", "production"))
    assert staging == production
    assert b"intel" in production
    assert "intel" in findings(client)["GPU (VIDEO_CARDS)"]["what"]
