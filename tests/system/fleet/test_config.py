"""A binhost's configuration reaches a client as a profile of a signed release; real Portage evaluates it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.model import release
from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit import httpd, keys
from tests.testkit.roots import Root

EXPAND = {"USE_EXPAND": "VIDEO_CARDS PYTHON_TARGETS"}
EVALUATED = """
import json, portage
from portage._sets import load_default_config
settings, trees = portage.config(clone=portage.settings), portage.db[portage.settings["EROOT"]]
tree = trees["porttree"].dbapi
def use(cpv):
    settings.setcpv(cpv, mydb=tree)
    return sorted(flag for flag in settings["PORTAGE_USE"].split() if flag in ("foo", "bar"))
values = {"KEYWORDS": "~amd64", "SLOT": "0", "repository": "tiny", "EAPI": "8", "LICENSE": "EULA", "USE": ""}
hello = portage.versions._pkg_str("app-misc/hello-1.1", metadata=values, settings=settings)
sets = load_default_config(settings, trees).getSets()
print(json.dumps({
    "flags": use("app-misc/flags-2.0"),
    "cards": settings["VIDEO_CARDS"].split(),
    "visible": tree.match("kde-apps/alpha"),
    "keywords": settings._getMissingKeywords(hello, values),
    "licence": settings._getMissingLicenses(hello, values),
    "set": sorted(map(str, sets["host-tools"].getAtoms())) if "host-tools" in sets else None,
}))
"""


def evaluated(root: Root) -> dict[str, object]:
    """What Portage makes of the configuration of ``root``."""
    found: dict[str, object] = json.loads(root.run(str(root.environment.python), "-c", EVALUATED).ok().stdout)
    return found


@pytest.fixture
def host(work: Path, signed: Host) -> Iterator[Host]:
    made = site.host(work, signed)
    made.root.settings |= {**EXPAND, "VIDEO_CARDS": "intel", "ACCEPT_LICENSE": "GPL-2", "RSYNC_PASSWORD": "hunter2"}
    made.root.write_settings()
    for name, text in {
        "package.use/ours": "app-misc/flags bar -foo # not theirs\n",
        "package.mask": "kde-apps/alpha\n",
        "package.accept_keywords": "app-misc/hello\n",
        "package.license": "app-misc/hello EULA\n",
        "package.env": "app-misc/hello token.conf\n",
        "sets/tools": "app-misc/hello\n",
    }.items():
        made.root.etc(name, text)
    yield made
    keys.kill_agents(made.key.home)


def test_a_profile_is_published_followed_selected_and_rolled_back(work: Path, host: Host) -> None:
    settings = (host.root.path / "etc/portage/portage-ext.toml").read_text().replace("sample = 1\n", "sample = 9\n")
    host.root.etc("portage-ext.toml", settings.replace("[publish]\n", "[publish]\nbill-of-materials = true\n"))
    for path in host.root.pkgdir.glob("*/*"):
        if path.name not in ("alpha", "beta"):  # Two for the gate `install`, which leaves out the one that the host masks.
            shutil.rmtree(path)
    host.run("reindex", "--force").ok()
    told = host.run("config", "publish", "--name", "host", "--channel", "production").ok().stdout
    assert "package.env: Portage reads package.env and env files only from /etc/portage" in told
    live = host.tree / "production"
    text = (live / "config.json").read_text()
    assert "hunter2" not in text
    assert "not theirs" not in text
    assert "\nCONFIG: config.json " in (live / "Packages").read_text()
    bill = (live / "sbom.cdx.json").read_bytes()
    assert f"\nSBOM: {release.binding('sbom.cdx.json', bill)}\n" in (live / "Packages").read_text()
    listed = {one["bom-ref"] for one in json.loads(bill)["components"]}
    assert listed == {str(path.relative_to(f"{live}")) for path in live.glob("*/*/*.gpkg.tar")}
    with httpd.serve(host.tree) as web:
        client = site.client(work, host, f"{web.url}/production")
        client.settings |= EXPAND
        client.write_settings()
        ours = client.etc("package.use/mine", "app-misc/flags foo\n")
        conf = client.path / "etc/portage/repos.conf"
        assert "auto-sync = no" in client.run("portage-ext", "config", "follow", "lab").ok().stdout  # a file: a person adds it
        text_of_file = conf.read_text()
        conf.unlink()
        client.etc("repos.conf/tiny.conf", text_of_file)
        before = evaluated(client)
        followed = client.run("portage-ext", "config", "follow", "lab").ok().stdout
        assert "eselect profile set fleet:fleet/host" in followed
        # A repository alone changes nothing but its sets.
        assert evaluated(client) == before | {"set": ["app-misc/hello"]}

        # What `eselect profile set fleet:fleet/host` does.
        profile = client.path / "etc/portage/make.profile"
        profile.unlink()
        profile.symlink_to(client.path / "var/db/repos/fleet/profiles/fleet/host")
        # As on the binhost, and /etc/portage of this host still counts more.
        assert evaluated(client) == evaluated(host.root) | {"flags": ["bar", "foo"], "set": ["app-misc/hello"]}
        assert ours.read_text() == "app-misc/flags foo\n"
        findings = json.loads(client.run("portage-ext", "compare", "lab", "--json").stdout)["findings"]
        assert {"profile", "GPU (VIDEO_CARDS)", "licence"}.isdisjoint(one["name"] for one in findings), findings
        use = next(one for one in findings if one["name"] == "package.use")
        assert use["what"].startswith("the binhost sets other flags for 1 atom: app-misc/flags bar -foo")

        # A changed configuration is published by that command alone; a rollback takes it back, after the next sync.
        host.root.etc("package.mask", "kde-apps/beta\n")
        host.run("publish", "--channel", "production").ok()
        assert (live / "config.json").read_text() == text
        host.run("config", "publish", "--name", "host", "--channel", "production").ok()
        assert "has changed" in client.run("portage-ext", "postsync", "--now").ok().stdout
        assert "kde-apps/alpha-24.1" in str(evaluated(client)["visible"])
        host.run("rollback", "production").ok()
        assert "has changed" in client.run("portage-ext", "postsync", "--now").ok().stdout
        assert "kde-apps/alpha-24.1" not in str(evaluated(client)["visible"])

        # What the Release does not bind is refused, and the repository stays.
        (live / "config.json").write_text(text.replace("alpha", "gamma"))
        refused = client.run("portage-ext", "postsync", "--now")
        assert "[corrupt-file]" in refused.stderr
        assert "stays as it is" in refused.stderr
        assert "kde-apps/alpha-24.1" not in str(evaluated(client)["visible"])


def test_a_git_repository_of_several_hosts_is_read_and_never_written(work: Path, host: Host) -> None:
    hosts = work / "hosts"
    for name, flags in (("desk", "bar"), ("lap", "-bar")):
        (hosts / name / "package.use").mkdir(parents=True)
        (hosts / name / "package.use/flags").write_text(f"app-misc/flags {flags}\n")
    (hosts / "lap/package.mask").write_text("app-misc/hello\n")
    for path in (hosts, *hosts.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    drift = host.run("config", "drift", str(hosts), "--json")
    assert drift.status == 1
    assert json.loads(drift.stdout)["drift"] == [
        {
            "what": "package.mask: app-misc/hello",
            "values": [{"value": "", "hosts": ["desk"]}, {"value": "listed", "hosts": ["lap"]}],
        },
        {
            "what": "package.use: app-misc/flags",
            "values": [{"value": "bar", "hosts": ["desk"]}, {"value": "-bar", "hosts": ["lap"]}],
        },
    ]
    host.run("config", "publish", "--from", str(hosts / "desk"), "--save-only").ok()
    host.run("config", "publish", "--from", str(hosts / "lap"), "--save-only").ok()
    shown = json.loads(host.run("config", "show", "--json").ok().stdout)["published"]
    assert {name: one["files"]["package.use"] for name, one in shown.items()} == {
        "desk": "app-misc/flags bar\n",
        "lap": "app-misc/flags -bar\n",
    }
    host.run("config", "withdraw", "--name", "lap", "--save-only").ok()
    assert list(json.loads(host.run("config", "show", "--json").ok().stdout)["published"]) == ["desk"]
