"""Each trap of the configuration: it is set, seen, its remedy is followed, and it is gone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from portage_ext.config import binrepos
from tests.system.check.conftest import Pair, findings, healthy, one
from tests.testkit import binhost as kit
from tests.testkit import environments, keys
from tests.testkit.binhost import Binhost
from tests.testkit.roots import Root


def line_of(client: Root, key: str) -> str:
    text = (client.path / "etc/portage/binrepos.conf/lab.conf").read_text()
    return next(line for line in text.splitlines() if line.startswith(key))


def append(root: Root, found: dict[str, str]) -> None:
    """Write the line for make.conf that the remedy has at its end."""
    line = re.search(r'[A-Z]+="[^"]*"(?= in make.conf)', found["remedy"])
    assert line is not None, found
    with (root.path / "etc/portage/make.conf").open("a") as file:
        file.write(f"{line[0]}\n")


def write(client: Root, old: str, new: str) -> None:
    path = client.path / "etc/portage/binrepos.conf/lab.conf"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_client_and_a_binhost_without_a_trap_are_healthy(pair: Pair) -> None:
    healthy(pair.client)
    healthy(pair.host.root)


def test_signatures_that_are_ignored(pair: Pair) -> None:
    pair.client.features("binpkg-ignore-signature")
    found = one(pair.client, "configuration", "binpkg-ignore-signature")
    conf = pair.client.path / "etc/portage/make.conf"
    number = next(number for number, line in enumerate(conf.read_text().splitlines(), 1) if line.startswith("FEATURES"))
    assert found["what"].startswith(f"{conf}:{number}: FEATURES has binpkg-ignore-signature")
    append(pair.client, found)
    healthy(pair.client)
    # The other features are still there.
    assert "getbinpkg" in pair.client.run("portageq", "envvar", "FEATURES").stdout.split()


def test_snapshots_that_cannot_be_made(pair: Pair) -> None:
    """Asked for of a maker that this machine does not have, so that emerge would refuse every merge."""
    path = pair.client.path / "etc/portage/portage-ext.toml"
    before = path.read_text() if path.exists() else ""
    path.write_text(f'{before}\n[snapshot]\npolicy = "refuse"\nwith = "zfs"\n')
    found = one(pair.client, "snapshots", "emerge refuses every merge")
    assert found["severity"] == "error"
    assert found["remedy"].startswith('Set policy = "off" in [snapshot]')
    path.write_text(before)
    healthy(pair.client)


def test_a_binhost_in_the_variable_beside_the_file(pair: Pair) -> None:
    pair.client.settings["PORTAGE_BINHOST"] = f"{pair.url}/staging"
    pair.client.write_settings()
    assert any("PORTAGE_BINHOST names" in found["what"] for found in findings(pair.client)["configuration"])
    del pair.client.settings["PORTAGE_BINHOST"]
    pair.client.write_settings()
    healthy(pair.client)


LOADED = """
import json, os, portage
from portage.binrepo.config import BinRepoConfigLoader
settings = portage.settings
loaded = BinRepoConfigLoader([os.path.join(settings["PORTAGE_CONFIGROOT"], "etc/portage/binrepos.conf")], settings)
rows = [(one.name or one.name_fallback, one.sync_uri, one.priority or 0, one.location, one.verify_signature)
        for one in loaded.values()]
print(json.dumps(rows))
"""


@pytest.mark.parametrize("version", environments.SUPPORTED)
def test_urls_of_the_variable_are_named_with_what_portage_does(work: Path, binhost: Binhost, version: str) -> None:
    client = kit.client(work / "client", binhost, {"lab": "http://127.0.0.1:1/lab/"}, version=version)
    conf = client.path / "etc/portage/binrepos.conf"
    conf.write_text("".join(line for line in conf.read_text().splitlines(keepends=True) if "location" not in line))
    client.settings["PORTAGE_BINHOST"] = "http://127.0.0.1:1/other http://127.0.0.1:1/lab"
    client.write_settings()
    place = f"{client.path}/etc/portage/make.conf:{list(client.settings).index('PORTAGE_BINHOST') + 1}: "
    beside, same = [one for one in findings(client)["configuration"] if "PORTAGE_BINHOST names" in one["what"]]
    python = str(client.environment.python)
    lab, other = sorted(json.loads(client.run(python, "-c", LOADED).ok().stdout), key=lambda one: one[1])
    assert same["what"].startswith(f"{place}PORTAGE_BINHOST names http://127.0.0.1:1/lab, as [lab]")
    assert lab == ["lab", "http://127.0.0.1:1/lab", 1, None, True], "the section, once, and without a place of its own"
    assert "packages of [lab] are kept in PKGDIR" in same["what"]
    assert beside["what"].startswith(f"{place}PORTAGE_BINHOST names http://127.0.0.1:1/other, which no section")
    assert f"named {other[0]}," in beside["what"]
    assert other[1:] == ["http://127.0.0.1:1/other", 1, None, None]


def test_lines_of_a_section_that_defeat_verification(pair: Pair) -> None:
    before = line_of(pair.client, "location")
    write(pair.client, before, f"location = {pair.client.pkgdir}")
    found = one(pair.client, "configuration", "its location is PKGDIR", "binrepos.conf/lab.conf:5: [lab]")
    write(pair.client, f"location = {pair.client.pkgdir}", found["remedy"].split(" in its")[0])
    write(pair.client, "verify-signature = true", "verify-signature = false")
    found = next(one for one in findings(pair.client)["configuration"] if "verify-signature is off" in one["what"])
    write(pair.client, "verify-signature = false", found["remedy"].split(" in its")[0])
    before = line_of(pair.client, "sync-uri")
    write(pair.client, before, f"sync-uri = file://{pair.host.tree}/production")
    found = one(pair.client, "configuration", "its sync-uri is a path of this machine", "lab.conf:3: [lab]")
    assert before.startswith("sync-uri = http://")
    assert found["remedy"].startswith("sync-uri = an http://, https:// or ssh:// address")
    write(pair.client, f"sync-uri = file://{pair.host.tree}/production", before)
    healthy(pair.client)


def test_a_fetchcommand_that_checks_nothing(pair: Pair) -> None:
    drop_in = binrepos.drop_in(pair.client.path, "lab")
    drop_in.unlink()
    found = findings(pair.client)["configuration"]
    assert len(found) == 2  # fetchcommand and resumecommand
    assert all("nothing checks them" in one["what"] for one in found)
    write(pair.client, "[lab]\n", "[lab]\n" + "".join(one["remedy"].split(" in its")[0] + "\n" for one in found))
    healthy(pair.client)


def test_packages_without_a_signature(pair: Pair) -> None:
    pair.client.run("portage-ext", "trust", "remove", "lab").ok()
    pair.client.etc("portage-ext.toml", '[binrepo.lab]\nrelease = "optional"\n')
    write(pair.client, "verify-signature = true\n", "")
    found = one(pair.client, "configuration", "without a signature", "lab.conf:1: [lab]")
    before = pair.client.path / "etc/portage/make.conf"
    text = before.read_text()
    append(pair.client, found)
    assert [area for area in findings(pair.client) if area != "keyring"] == []
    before.write_text(text)
    write(pair.client, "[lab]\n", f"[lab]\n{found['remedy'].split(' in its')[0]}\n")
    # That Portage verifies now is the next thing to see to: the key went with the pin.
    assert [area for area in findings(pair.client) if area != "keyring"] == []


def test_native_code_for_others(pair: Pair) -> None:
    root = pair.host.root
    root.settings["CFLAGS"] = "-O2 -march=native"
    root.write_settings()
    append(root, one(root, "configuration", "make.conf:", "-march=native"))
    healthy(root)
    assert "-O2" in root.run("portageq", "envvar", "CFLAGS").stdout.split()


def test_a_keyring_that_is_not_there_empties_the_index_of_portage(pair: Pair) -> None:
    gnupg = pair.client.path / "etc/portage/gnupg"
    moved = gnupg.with_name("gnupg.moved")
    gnupg.rename(moved)
    found = findings(pair.client)
    assert "is not there" in found["keyring"][0]["what"]
    key = pair.client.path / "key.asc"
    key.write_bytes(pair.host.key.public())
    # "…: portage-ext trust add NAME --fingerprint FPR --from FILE"
    words = found["keyring"][0]["remedy"].rpartition(": ")[2].split()
    filled = {"NAME": "lab", "FPR": pair.host.key.fingerprint, "FILE": str(key)}
    pair.client.run(*(filled.get(word, word) for word in words)).ok()
    healthy(pair.client)


def test_a_signing_host_without_a_keyring_would_lose_its_index(pair: Pair) -> None:
    root, key = pair.host.root, pair.host.key
    gnupg = root.path / "etc/portage/gnupg"
    shutil.move(gnupg, root.path / "moved")
    found = one(root, "keyring", f"{gnupg} is not there")
    index = (root.pkgdir / "Packages").read_bytes()
    root.run("emaint", "binhost", "--fix")
    assert "PACKAGES: 0\n" in (root.pkgdir / "Packages").read_text()
    (root.pkgdir / "Packages").write_bytes(index)
    # The printed line, with the key filled in, by a shell that has the signing home as gpg's own.
    root.run("sh", "-ec", found["remedy"].replace("FPR", key.fingerprint), GNUPGHOME=str(key.home)).ok()
    keys.kill_agents(gnupg)
    healthy(root)
    root.run("emaint", "binhost", "--fix")
    assert "PACKAGES: 0\n" not in (root.pkgdir / "Packages").read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[lab]\npriority = 1\n[lab]\npriority = 2\n", ":3: section 'lab' already exists"),
        ("[lab]\npriority = 1\npriority = 2\n", ":3: option 'priority' in section 'lab' already exists"),
        ("[lab]\nsync-uri = http://h/a%20b\n", ":2: '%' must be followed"),
        ("priority = 1\n", ":1: a setting without a [section]"),
        ("[lab]\npriority\n", ":2: neither a [section] nor a setting"),
    ],
)
def test_a_file_that_portage_drops_or_stumbles_over(pair: Pair, text: str, why: str) -> None:
    path = pair.client.etc("binrepos.conf/yy.conf", text)
    found = next(one for one in findings(pair.client)["configuration"] if why in one["what"])
    assert found["what"].startswith(f"{path}{why}")
    assert found["remedy"] == f"correct {path}:{why[1]}"
    path.unlink()
    healthy(pair.client)


def test_a_make_conf_that_does_not_parse_and_a_profile_that_is_gone(pair: Pair) -> None:
    root = pair.client
    with (root.path / "etc/portage/make.conf").open("a") as file:
        file.write('USE="\n')
    assert "No closing quotation" in one(root, "configuration")["what"]
    for command in ("status", "compare"):
        said = root.run("portage-ext", command, *(["lab"] if command == "compare" else [])).failed().stderr
        assert "the configuration of Portage: No closing quotation" in said
        assert "Traceback" not in said
    root.write_settings()
    profile = root.path / "etc/portage/make.profile"
    target = profile.readlink()
    profile.unlink()
    found = next(one for one in findings(root)["configuration"] if str(profile) in one["what"])
    assert "eselect profile set" in found["remedy"]
    profile.symlink_to(target)
    healthy(root)


def test_a_slip_in_package_env(pair: Pair) -> None:
    pair.client.etc("env/getbinpkg.conf", 'FEATURES="getbinpkg"\n')
    pair.client.etc("package.env", "app-misc/flags getbinpgk.conf\n")
    found = one(pair.client, "configuration", "getbinpgk.conf does not exist")
    assert "package.env:1" in found["remedy"]
    pair.client.etc("package.env", "app-misc/flags getbinpkg.conf\n")
    healthy(pair.client)


def test_settings_of_ours_that_do_not_parse(pair: Pair) -> None:
    path = pair.client.path / "etc/portage/portage-ext.toml"
    text = path.read_text()
    path.write_text("[fetch]\nfoo = 1\n")
    assert "has no key foo" in findings(pair.client)["portage-ext.toml"][0]["what"]
    path.write_text(text)
    healthy(pair.client)


def test_a_portage_that_is_not_known(pair: Pair, tmp_path: Path) -> None:
    """Somebody else has put a function of his own in the place of Portage's."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == '_emerge.actions':\n"
        "            sys.meta_path.remove(self)\n"
        "            from portage import getbinpkg\n"
        "            original = getbinpkg.PackageIndex.read\n"
        "            getbinpkg.PackageIndex.read = lambda self, pkgfile: original(self, pkgfile)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    outcome = pair.client.run("portage-ext", "check", "--json", PYTHONPATH=str(tmp_path))
    assert outcome.status == 1
    assert "PackageIndex.read has been replaced by another program" in outcome.stdout
    healthy(pair.client)
