"""The screenshot in docs/explaining.md is what a real run prints."""

from __future__ import annotations

import re

from tests.system.why.conftest import Site
from tests.testkit.environments import CHECKOUT

PACKAGES = ("app-editors/vim", "dev-lang/rust", "media-gfx/gimp", "net-libs/webkit-gtk", "www-client/firefox")


def picture(site: Site) -> str:
    """A host whose five packages in the world file are all compiled, each for another reason; what ``why @world`` prints."""
    for repository in (site.there, site.here):
        repository.write("profiles/categories", "".join(f"{name.split('/')[0]}\n" for name in PACKAGES))
    targets = "python_targets_python3_12 python_targets_python3_13"
    site.both("app-editors/vim-9.1", IUSE="X lua")
    site.both("dev-lang/rust-1.82")
    site.both("media-gfx/gimp-3.0", IUSE=targets)
    site.both("net-libs/webkit-gtk-2.46")
    site.build(*PACKAGES[:-1], PYTHON_TARGETS="python3_13", USE="lua")
    site.here.data("dev-lang/rust-1.83")
    site.here.data("www-client/firefox-133")
    client = site.client
    client.etc("package.env", "app-editors/vim on\ndev-lang/rust on\nmedia-gfx/gimp on\n")
    client.etc("env/on", 'FEATURES="getbinpkg"\n').rename(client.path / "etc/portage/env/getbinpkg.conf")
    client.etc("package.env", (client.path / "etc/portage/package.env").read_text().replace(" on", " getbinpkg.conf"))
    client.etc("package.use/editors", "app-editors/vim X -lua\n")
    client.settings["PYTHON_TARGETS"] = "python3_12"
    client.write_settings()
    (client.path / "var/lib/portage/world").write_text("".join(f"{name}\n" for name in PACKAGES))
    times = {
        "dev-lang/rust-1.81": 5400,
        "media-gfx/gimp-2.10": 1260,
        "net-libs/webkit-gtk-2.44": 7260,
        "app-editors/vim-9.0": 75,
    }
    (client.path / "var/log/emerge.log").write_text(
        "".join(
            f"1700000000:  >>> emerge (1 of 1) {cpv} to /\n{1700000000 + taken}:  ::: completed emerge (1 of 1) {cpv} to /\n"
            for cpv, taken in times.items()
        )
    )
    return client.run("portage-ext", "why", "@world").stdout


def _comparable(text: str) -> list[str]:
    """Without dates, and without regard to where lines break, which depends on how long the path of the test is."""
    return re.sub(r"\d{4}-\d\d-\d\d", "2026-11-20", text).split()


def test_screenshot(site: Site) -> None:
    page = (CHECKOUT / "docs/explaining.md").read_text()
    shown = page.partition("$ portage-ext why @world\n")[2].partition("```")[0]
    assert _comparable(shown) == _comparable(picture(site).replace(str(site.client.path), ""))
