"""The pictures in docs/images: pages of a made-up binhost with well-known names, as Chromium shows them.

python -m tests.system.pages.pictures [DIRECTORY]
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from portage_ext.pages.writing import About, Writer
from portage_ext.releases.serve import make_server
from tests.system.pages.conftest import CONTRACT, KEY
from tests.testkit import browser
from tests.testkit.environments import CHECKOUT
from tests.unit.releases.published import Site, site

MOST: Final = 150_000
"""Bytes of one picture."""
SIZE: Final = (1080, 760)
PACKAGES: Final = """
app-editors/vim 9.1.0|Vim, an improved vi-style text editor|vim|acl nls|sys-libs/ncurses
app-editors/neovim 0.10.2|Vim-fork focused on extensibility and agility|Apache-2.0|lto nvimpager|dev-lang/lua dev-libs/libuv
app-shells/bash 5.2_p37|The standard GNU Bourne again shell|GPL-3+|net nls readline|sys-libs/readline sys-libs/ncurses
app-shells/zsh 5.9|UNIX Shell similar to the Korn shell|ZSH|pcre unicode|sys-libs/ncurses dev-libs/libpcre2
dev-db/postgresql 16.4|PostgreSQL RDBMS|POSTGRESQL|icu nls readline ssl zlib|dev-libs/icu dev-libs/openssl sys-libs/zlib
dev-db/sqlite 3.46.1|SQL database engine|public-domain|icu readline|dev-libs/icu sys-libs/readline
dev-lang/python 3.12.7|An interpreted, object-oriented language|PSF-2|readline sqlite ssl|dev-libs/openssl dev-db/sqlite
dev-lang/lua 5.4.6|A powerful light-weight programming language|MIT|readline|sys-libs/readline
dev-lang/rust 1.81.0|Systems programming language from Mozilla|MIT|clippy rustfmt|dev-libs/openssl sys-libs/zlib
dev-libs/glib 2.80.5|The GLib library of C routines|LGPL-2.1+|mime xattr|dev-libs/libpcre2 sys-libs/zlib dev-libs/libffi
dev-libs/icu 75.1|International Components for Unicode|BSD|static-libs|
dev-libs/libffi 3.4.6|Portable, high level programming interface|MIT||
dev-libs/libpcre2 10.44|Perl-compatible regular expression library|BSD|jit readline unicode zlib|sys-libs/zlib sys-libs/readline
dev-libs/libuv 1.48.0|Cross-platform asynchronous I/O|BSD||
dev-libs/openssl 3.3.2|Robust, full-featured TLS library|Apache-2.0|asm quic|sys-libs/zlib
dev-vcs/git 2.47.0|Distributed version control system|GPL-2|curl gpg iconv pcre webdav|net-misc/curl dev-libs/openssl
gui-libs/gtk 4.16.3|GTK is a multi-platform toolkit|LGPL-2+|X introspection wayland|x11-libs/cairo x11-libs/pango dev-libs/glib
media-libs/freetype 2.13.3|High-quality and portable font engine|FTL|X adobe-cff png|media-libs/libpng sys-libs/zlib
media-libs/libpng 1.6.44|Portable Network Graphics library|libpng2|apng|sys-libs/zlib
media-video/ffmpeg 6.1.2|Records, converts and streams video|GPL-2|X alsa dav1d opus vpx x264|sys-libs/zlib dev-libs/openssl
net-misc/curl 8.10.1|A client that groks URLs|BSD|http2 ssl zstd|dev-libs/openssl sys-libs/zlib
net-misc/openssh 9.9_p1|Port of OpenBSD's free SSH release|BSD|pam pie ssl|dev-libs/openssl sys-libs/zlib
net-libs/webkit-gtk 2.46.1|Web browser engine|LGPL-2+|X gstreamer jpeg2k wayland|gui-libs/gtk dev-db/sqlite dev-libs/icu
sys-apps/systemd 256.7|System and service manager for Linux|GPL-2|acl kmod lz4 pam seccomp zstd|dev-libs/openssl
sys-devel/gcc 14.2.1|The GNU Compiler Collection|GPL-3+|cxx fortran nls openmp|sys-libs/zlib
sys-libs/glibc 2.40|GNU libc C library|LGPL-2.1+|multiarch ssp|
sys-libs/ncurses 6.5|Console display library|MIT|cxx tinfo|
sys-libs/readline 8.2_p13|Another cute console display library|GPL-3+|unicode|sys-libs/ncurses
sys-libs/zlib 1.3.1|Standard (de)compression library|ZLIB||
www-client/firefox 131.0.3|Firefox Web Browser|MPL-2.0|dbus hwaccel wayland|gui-libs/gtk media-video/ffmpeg dev-libs/glib
x11-libs/cairo 1.18.2|A vector graphics library|LGPL-2.1|X glib|media-libs/libpng media-libs/freetype dev-libs/glib
x11-libs/gtk+ 3.24.43|Gimp ToolKit +|LGPL-2+|X introspection wayland|x11-libs/cairo x11-libs/pango dev-libs/glib
x11-libs/pango 1.54.0|Internationalized text layout and rendering|LGPL-2+|X introspection|x11-libs/cairo dev-libs/glib
""".strip().split("\n")
RELEASES: Final = 14


def _put(made: Site, line: str, build: int = 1, size: int = 4000) -> None:
    head, description, licence, use, needs = line.split("|")
    name, version = head.split()
    contract = {"SYMBOL_CONTRACT": CONTRACT} if name == "dev-libs/openssl" else {}
    values = {"DESC": description, "LICENSE": licence, "USE": use, "RDEPEND": needs, **contract}
    made.pkgdir.add(f"{name}-{version}", build, random.Random(size).randbytes(size), **values)


def fill(made: Site) -> None:
    """Packages come and are built again, release after release."""
    chance = random.Random(3)
    for line in PACKAGES[: -RELEASES + 2]:
        _put(made, line, size=chance.randrange(20_000, 400_000))
    for number in range(RELEASES):
        made.publish()
        if number < RELEASES - 2:
            _put(made, PACKAGES[-1 - number], size=chance.randrange(20_000, 400_000))
        for line in chance.sample(PACKAGES[: -RELEASES + 2], chance.randrange(3)):
            _put(made, line, number + 2, chance.randrange(20_000, 400_000))
        made.clock.now += chance.randrange(80_000, 130_000)


def views(base: str) -> Iterator[tuple[str, str, bool, int]]:
    """The name of each picture, its URL, whether it is dark, and its width."""
    yield "pages-front", f"{base}/index.html", False, SIZE[0]
    yield "pages-search", f"{base}/index.html#q=lib%20use%3Aunicode", False, SIZE[0]
    yield "pages-package", f"{base}/packages/dev-libs/openssl.html", False, SIZE[0]
    yield "pages-releases", f"{base}/releases.html", True, SIZE[0]
    yield "pages-small", f"{base}/index.html", True, 360


def main() -> None:
    """Take all pictures."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "docs/images"
    target.mkdir(parents=True, exist_ok=True)
    times = {line.split()[0]: float(60 + 37 * place * place) for place, line in enumerate(PACKAGES)}
    about = About("Example binhost", "https://binhost.example.org/amd64", [KEY], times=lambda: times, signed=lambda path: True)
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        made = site(Path(name), pages=Writer(about))
        made.clock.now = int(time.time()) - RELEASES * 100_000
        fill(made)
        with make_server(made.tree.root, "127.0.0.1", 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                with browser.running() as window:
                    base = f"http://127.0.0.1:{server.server_address[1]}/production/pages"
                    for picture, url, dark, width in views(base):
                        window.look(width=width, height=SIZE[1], dark=dark)
                        window.open(url)
                        if "#q=" in url:
                            window.until("[...document.querySelectorAll('#results .row')].some((one) => one.childElementCount)")
                        file = target / f"{picture}.png"
                        window.screenshot(file)
                        print(f"{file}: {file.stat().st_size} bytes")
                        if file.stat().st_size > MOST:
                            raise SystemExit(f"{file} is larger than {MOST} bytes")
            finally:
                server.shutdown()


if __name__ == "__main__":
    main()
