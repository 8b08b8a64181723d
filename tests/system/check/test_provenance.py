"""Real emerge records what it built from, a release states it, and a client verifies a file against the signed Release."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
from pathlib import Path

from tests.system.check.conftest import Pair
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.environments import CHECKOUT

NAME = "made-1-1.gpkg.tar"


def test_what_a_package_was_built_from_is_stated_and_verified(pair: Pair, work: Path) -> None:
    host, client = pair.host, pair.client
    overlay = EbuildRepository.create(work / "overlay", "overlay", masters="tiny")
    overlay.write("eclass/ours.eclass", "# ours\n")
    overlay.ebuild(
        "app-misc/made-1",
        'inherit ours\nsrc_unpack() { :; }\nsrc_install() { insinto /usr/share/made; doins "${DISTDIR}"/made.txt; }\n',
        SRC_URI="https://example.invalid/made.txt",
    )
    source = b"made of this\n"
    digests = {"blake2b": hashlib.blake2b(source).hexdigest(), "sha512": hashlib.sha512(source).hexdigest()}
    manifest = f"DIST made.txt {len(source)} BLAKE2B {digests['blake2b']} SHA512 {digests['sha512']}\n"
    overlay.write("app-misc/made/Manifest", manifest)
    overlay.write("metadata/timestamp.commit", f"{'a' * 40} 1700000000 2023-11-14\n")
    (host.root.path / "var/cache/distfiles/made.txt").write_bytes(source)
    repos = host.root.path / "etc/portage/repos.conf"
    repos.write_text(f"{repos.read_text()}\n[overlay]\nlocation = {overlay.location}\n")
    host.root.settings["PORTAGE_EXT_PROVENANCE"] = "on"
    host.root.write_settings()
    host.root.etc("bashrc", f'source "{CHECKOUT}/bashrc.d/portage-ext.bashrc"\n')
    toml = (host.root.path / "etc/portage/portage-ext.toml").read_text()
    host.root.etc("portage-ext.toml", toml.replace("[publish]\n", "[publish]\nprovenance = true\n"))
    host.root.emerge("--buildpkgonly", "app-misc/made").ok()
    host.run("sign").ok()
    host.run("publish", "--channel", "production", "--gates", "index").ok()

    built = next(host.root.pkgdir.glob("app-misc/made/*.gpkg.tar"))
    fetched = work / NAME
    shutil.copy(built, fetched)
    told = json.loads(client.run("portage-ext", "provenance", str(fetched), "--json").ok().stdout)
    made = told["record"]
    assert (told["verified"], told["binhost"], told["builder"]) == (True, "lab", platform.node())
    assert re.fullmatch(r"app-misc/made/made-1-[0-9]{20}\.gpkg\.tar", told["subject"]["name"])
    assert told["subject"]["digest"]["blake2b"] == hashlib.blake2b(built.read_bytes()).hexdigest()
    assert (made["cpv"], made["repository"], made["commit"]) == ("app-misc/made-1", "overlay", "a" * 40)
    assert made["distfiles"] == {"made.txt": digests}
    assert made["eclasses"] == {"ours": {"blake2b": hashlib.blake2b(b"# ours\n").hexdigest()}}
    assert "made.txt" in client.run("portage-ext", "provenance", str(fetched)).ok().stdout

    # As publishing.md says: with gpg and b2sum alone, from copies of five files.
    kept = work / "kept"
    kept.mkdir()
    for name in ("provenance.jsonl", "Packages", "Release", "Release.asc"):
        shutil.copy(host.tree / "production" / name, kept / name)
    shutil.copy(built, kept / "hello-1.0-1.gpkg.tar")
    guide = (CHECKOUT / "docs/publishing.md").read_text()
    commands = guide[guide.index("    gpg --verify Release.asc Release") :].partition("\n\n")[0]
    verify = ("sh", "-ec", f"cd {kept}; {commands}")
    keyring = {"GNUPGHOME": str(client.path / "etc/portage/gnupg")}
    (subject,) = json.loads(client.run(*verify, **keyring).ok().stdout.splitlines()[-1])["subject"]
    assert subject == told["subject"]
    for name in ("hello-1.0-1.gpkg.tar", "provenance.jsonl", "Packages", "Release"):
        data = (kept / name).read_bytes()
        (kept / name).write_bytes(data + b"\n")
        client.run(*verify, **keyring).failed()
        (kept / name).write_bytes(data)

    # A package that was built without a record has a statement all the same: who published it is proven.
    hello = next(host.root.pkgdir.glob("app-misc/hello/*.gpkg.tar"))
    told = json.loads(client.run("portage-ext", "provenance", str(hello), "--json").ok().stdout)
    assert (told["verified"], told["record"]) == (True, None)

    other = work / "other" / built.name
    other.parent.mkdir()
    other.write_bytes(built.read_bytes() + b"\0")
    refused = client.run("portage-ext", "provenance", str(other)).failed()
    assert "is not the package that lab states" in refused.stderr
    another = other.with_name("made-1-2.gpkg.tar")
    another.write_bytes(other.read_bytes())
    refused = client.run("portage-ext", "provenance", str(another)).failed()
    assert "[lab] its release states nothing of this file" in refused.stderr
    unknown = work / "unknown-1.gpkg.tar"
    unknown.write_bytes(b"nothing")
    assert "states nothing of this file" in client.run("portage-ext", "provenance", str(unknown)).failed().stderr

    # Somebody who changes the statements on a mirror is found out by the index.
    document = (host.tree / "production/provenance.jsonl").resolve()
    document.write_bytes(document.read_bytes().replace(b"made.txt", b"evil.txt"))
    refused = client.run("portage-ext", "provenance", str(fetched)).failed()
    assert "has no provenance that can be verified" in refused.stderr
    assert "it is not the one that the index binds" in refused.stderr
