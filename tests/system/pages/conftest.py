"""One browser and one tree with pages for all tests of this folder: they only look."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from portage_ext.pages.writing import About, Writer
from portage_ext.releases.serve import make_server
from tests.testkit import browser as chromium
from tests.testkit.browser import Browser
from tests.unit.releases.published import Site, site

KEY = "0123456789ABCDEF0123456789ABCDEF01234567"
HOSTILE = '<script>document.title="taken"</script>"\'><img src=x onerror=document.title="taken"> \u202egnp.exe \x1b[31m'
CONTRACT = "2 > x86_64 libc.so.6:GLIBC_2.2.5,GLIBC_2.34 libtiny.so.1 < x86_64 libssl.so.3:OPENSSL_3.0.0"


@dataclass(frozen=True, slots=True)
class Binhost:
    """A channel with three releases. ``base`` is the URL of its pages."""

    made: Site
    base: str


def fill(made: Site) -> None:
    """Three releases: packages that need each other, one with hostile metadata, another version, a rebuild, a removal."""
    add = made.pkgdir.add
    tls = {"DESC": "TLS and cryptography", "LICENSE": "Apache-2.0", "SYMBOL_CONTRACT": CONTRACT}
    add("dev-libs/openssl-3.0.1", USE="asm zlib", SLOT="0/3", RDEPEND="sys-libs/zlib", **tls)
    add("sys-libs/zlib-1.3", DESC="Compression", LICENSE="ZLIB")
    add("net-misc/curl-8.9", USE="ssl", DESC="Fetches URLs", RDEPEND=">=dev-libs/openssl-3:0/3=[asm] sys-libs/zlib gone/away")
    add("app-misc/evil-1", DESC=HOSTILE, LICENSE=HOSTILE, USE=HOSTILE, SLOT=HOSTILE, RDEPEND=f"sys-libs/zlib {HOSTILE}")
    going = add("app-misc/going-1", USE="ssl")
    for number in range(60):
        add(f"x11-libs/lib{number:02}widget-1.{number}", USE="X" if number % 2 else "wayland", DESC=f"Widgets, part {number}")
    made.publish()
    add("net-misc/curl-8.10", USE="ssl http2", DESC="Fetches URLs", RDEPEND="dev-libs/openssl sys-libs/zlib")
    made.clock.now += 86400
    made.publish()
    made.pkgdir.remove(going)
    add("sys-libs/zlib-1.3", image=b"another image of zlib", DESC="Compression", LICENSE="ZLIB", USE="static-libs")
    made.clock.now += 86400
    made.publish()


@pytest.fixture(scope="session")
def binhost() -> Iterator[Binhost]:
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        made = site(Path(name), pages=Writer(About("Example binhost", "", [KEY])))
        fill(made)
        with make_server(made.tree.root, "127.0.0.1", 0) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            yield Binhost(made, f"http://127.0.0.1:{server.server_address[1]}/production/pages")
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Browser]:
    with chromium.running() as found:
        yield found


@pytest.fixture
def browser(_chromium: Browser) -> Iterator[Browser]:
    """The browser in a light window of ordinary size. No page may have complained at the end."""
    _chromium.look()
    yield _chromium
    assert _chromium.complaints() == []
