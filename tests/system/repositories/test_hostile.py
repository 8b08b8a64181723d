"""An overlay of a stranger: what leads out of it, is too much, or acts on other packages is named, and refused or left out."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.system.repositories import overlays
from tests.system.repositories.conftest import inherit
from tests.system.repositories.overlays import Client
from tests.testkit import others

GOOD = "app-misc/good"


def test_what_is_refused_and_what_is_left_out(work: Path, client: Client) -> None:
    evil = overlays.overlay(work / "guru")
    client.main.write("eclass/shared.eclass", "# the main repository's\n")
    client.main.write("licenses/EULA", "")
    client.main.write("profiles/thirdpartymirrors", "gnu https://example.invalid/gnu\n")
    evil.eclass("shared", "# not the main repository's\n")
    evil.data(f"{GOOD}-1.0", SRC_URI="mirror://gnu/x", LICENSE="EULA", RESTRICT="fetch")
    for name in ("shadowing", "linked", "large", "many", "named", "inner"):
        evil.data(f"app-misc/{name}-1.0")
    path = evil.location / "app-misc/shadowing/shadowing-1.0.ebuild"
    path.write_text(inherit(path.read_text(), "shared"))
    for name in ("linked", "large", "many", "named", "inner"):
        (evil.location / f"app-misc/{name}/files").mkdir()
    (evil.location / "app-misc/linked/files/passwd").symlink_to("../../../../../../../../../../etc/passwd")
    (evil.location / "app-misc/large/files/x").write_bytes(bytes(9 << 20))
    for number in range(2100):
        (evil.location / f"app-misc/many/files/{number}").write_text("")
    Path(os.fsdecode(bytes(evil.location) + b"/app-misc/named/files/\xff")).write_text("")
    # A link that stays inside is the file that it names.
    (evil.location / "app-misc/inner/files/shared").symlink_to("../../good/good-1.0.ebuild")
    evil.write("metadata/layout.conf", "masters = tiny\nrepo-name = tiny\naliases = tiny\nthin-manifests = true\n")
    evil.write("profiles/repo_name", "tiny\n")
    evil.write("profiles/categories", "app-misc\nsys-apps\n")
    evil.write("profiles/package.unmask", f"{GOOD}\n*/*\n")
    evil.write("profiles/license_groups", "FREE EULA\n")
    evil.write("profiles/thirdpartymirrors", "gnu https://evil.example.invalid/\n")
    evil.write("profiles/updates/1Q-2024", f"move dev-libs/base {GOOD}\n")
    evil.write("profiles/arch.list", "evil\n")
    evil.commit()
    client.configure(evil)
    names = ("good", "shadowing", "linked", "large", "many", "named", "inner", "..")
    client.list(*(f"app-misc/{name}::guru" for name in names[:-1]))
    said = client.sync().ok()
    assert client.packages() == {GOOD, "app-misc/inner"}, str(said)
    for line in (
        "refused app-misc/shadowing: its eclass shared shadows the one of tiny",
        "refused app-misc/linked: app-misc/linked/files/passwd is a symbolic link out of the overlay",
        "refused app-misc/large: app-misc/large/files/x is larger than 8 MiB",
        "refused app-misc/many: it has more than 2048 files",
        "refused app-misc/named: the name",
        "left out profiles/package.unmask: it would beat your own masks (app-misc/good)",
        "left out profiles/license_groups: another repository has the licence EULA",
        "left out profiles/thirdpartymirrors: another repository has the mirror gnu",
        "left out profiles/updates: another repository has dev-libs/base",
    ):
        assert line in said.stdout, (line, str(said))
    picked = client.picked()
    assert (picked / "profiles/repo_name").read_text() == "guru\n"
    assert not {"repo-name", "aliases"} & set((picked / "metadata/layout.conf").read_text().split())
    assert {one.name for one in (picked / "profiles").iterdir()} == {"repo_name", "categories"}
    assert (picked / "app-misc/inner/files/shared").read_bytes() == (picked / "app-misc/good/good-1.0.ebuild").read_bytes()
    # What an administrator allows is taken.
    client.configure(evil, sync_pick_shadowing_eclasses="shared")
    client.sync().ok()
    assert "app-misc/shadowing" in client.packages()
    # A line that is no package is an error, and the repository stays.
    client.list("app-misc/..::guru")
    assert "packages:1: 'app-misc/..::guru' is not of the form" in client.sync().failed().text
    assert "app-misc/shadowing" in client.packages()


def test_an_ebuild_that_never_ends_reaches_out_or_writes_harms_nobody(work: Path, client: Client) -> None:
    others.enter()  # what is not trusted is read by another user
    evil = overlays.overlay(work / "guru")
    evil.write("profiles/categories", "app-misc\n")
    outside = work / "outside"
    outside.mkdir(mode=0o777)
    with socket.create_server(("127.0.0.1", 0)) as server:
        reach = f"( echo x > /dev/tcp/127.0.0.1/{server.getsockname()[1]} ) 2>/dev/null\n: > {outside}/made 2>/dev/null\n"
        evil.ebuild("app-misc/endless-1.0", "trap '' TERM\nwhile :; do :; done\n")
        evil.ebuild("app-misc/reaching-1.0", reach)
        evil.ebuild("app-misc/broken-1.0", 'die "unknown PYTHON_COMPAT"\n')
        evil.data("app-misc/good-1.0")
        evil.commit()
        client.configure(evil, sync_pick_seconds="8")
        client.list(*(f"app-misc/{name}::guru" for name in ("endless", "reaching", "broken", "good")))
        said = client.sync().ok()
        server.settimeout(0)
        try:
            server.accept()
            reached = True
        except BlockingIOError:
            reached = False
    assert not reached
    assert not list(outside.iterdir())
    assert client.packages() == {"app-misc/reaching", "app-misc/broken", "app-misc/good"}, str(said)
    assert "refused app-misc/endless: app-misc/endless-1.0: it did not come to an end in 8 s" in said.stdout
    assert "cannot read app-misc/broken-1.0: unknown PYTHON_COMPAT" in said.stdout, str(said)
