"""builder.json from the binhost's configuration through a signed release to a client that compares itself with it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from portage_ext.model import builder
from portage_ext.policy import cpu as policy
from tests.publish import site
from tests.publish.site import Host
from tests.testkit.httpd import Server
from tests.testkit.roots import Root

EXPAND = {"USE_EXPAND": "VIDEO_CARDS PYTHON_TARGETS"}
SECRET = "hunter2"


def findings(client: Root, what: str = "lab", *words: str) -> dict[str, dict[str, str]]:
    outcome = client.run("portage-ext", "compare", what, "--json", *words)
    return {one["name"]: one for one in json.loads(outcome.stdout)["findings"]}


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
    line = trap["remedy"].removeprefix("on the binhost and here, ").split(" in make.conf")[0]
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
    append(client, found["remedy"].split(" in make.conf")[0])
    assert "PYTHON_TARGETS" not in findings(client)


@pytest.mark.parametrize(
    ("name", "there", "here"),
    [
        ("keywords", "ACCEPT_KEYWORDS='amd64 ~amd64'", ""),
        ("licence", "ACCEPT_LICENSE='*'", "ACCEPT_LICENSE='@FREE'"),
        ("USE", "USE='gtk -foo'", "USE='foo'"),
        ("L10N", "USE_EXPAND='L10N VIDEO_CARDS PYTHON_TARGETS'\nL10N='de'", "USE_EXPAND='L10N VIDEO_CARDS PYTHON_TARGETS'"),
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
    found = findings(client)[name]
    setting = re.search(r'[A-Z0-9_]+="[^"]*"', found["remedy"])
    assert setting is not None, found
    append(client, setting[0])
    assert name not in findings(client)


def test_a_package_with_other_flags_is_named_with_a_line_that_makes_emerge_take_it(
    published: tuple[Host, Root, Server],
) -> None:
    _, client, _ = published
    client.emerge("-1", "app-misc/flags", "--getbinpkg=y").ok()
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
    from portage_ext.host import cpu as asking

    beyond = next((name for name in ("knl", "bdver4") if asking.judge((f"-march={name}",)).fit is policy.Fit.CANNOT), None)
    if beyond is None:
        pytest.skip("this CPU runs everything that the compiler knows")
    host.root.settings["CFLAGS"] = f"-O2 -march={beyond}"
    host.root.write_settings()
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    found = findings(client)["CPU"]
    assert found["grade"] == "unusable"
    host.root.settings["CFLAGS"] = "-O2 -march=x86-64"
    host.root.write_settings()
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    assert "CPU" not in findings(client)


def test_one_that_was_changed_on_the_way_is_refused(published: tuple[Host, Root, Server]) -> None:
    host, client, _ = published
    path = host.tree / "production" / builder.NAME
    data = path.read_bytes().replace(b"intel", b"amdgp")
    path.write_bytes(data)
    refused = client.run("portage-ext", "compare", "lab").failed()
    assert "[CorruptFileError]" in refused.stderr, refused
    path.unlink()
    assert "[NotFoundError]" in client.run("portage-ext", "compare", "lab").failed().stderr


def test_a_url_counts_as_the_binrepo_whose_it_is_and_another_needs_a_word(published: tuple[Host, Root, Server]) -> None:
    host, client, web = published
    assert findings(client, f"{web.url}/production/")
    client.etc("binrepos.conf/lab.conf", "")
    (client.path / "etc/portage/binrepos.conf/zz-portage-ext-lab.conf").unlink()
    refused = client.run("portage-ext", "compare", f"{web.url}/production").failed()
    assert refused.status == 2
    assert "--unverified" in refused.stderr
    assert findings(client, f"{web.url}/production", "--unverified")
    assert findings(client, str(host.tree / "production"))


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
    assert "says nothing about its builder" in client.run("portage-ext", "compare", "lab").failed().stderr


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
