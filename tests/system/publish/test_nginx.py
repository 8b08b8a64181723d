"""The site file of etc/examples under real nginx: what it answers, what it hides, and that a switched channel shows at once."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from portage_ext.pages.writing import About, Writer
from tests.testkit import daemon
from tests.unit.releases.published import Site, site

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
EXAMPLES = Path(__file__).parents[3] / "etc/examples"

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx")


@pytest.fixture
def made(work: Path) -> Site:
    folder = work / "srv/amd64"
    folder.mkdir(parents=True)
    made = site(folder, pages=Writer(About("amd64")))
    made.pkgdir.add("app-misc/foo-1", image=os.urandom(5000))
    made.publish()
    (made.tree.root / "releases/.staging").mkdir()
    (made.tree.root / "releases/.staging/Packages").write_text("unsigned")
    return made


@pytest.fixture
def url(made: Site, work: Path, port: int) -> Iterator[str]:
    """nginx with the site file, of which only the address, the name and the folder are changed."""
    text = (EXAMPLES / "nginx-binhost.conf").read_text()
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("    listen [::]:80;\n", ""),
        ("root /srv/binhost;", f"root {work}/srv;"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (work / "site.conf").write_text(text)
    user = "user root;\n" if os.getuid() == 0 else ""
    paths = "".join(f"{name}_temp_path {work}/tmp;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (work / "nginx.conf").write_text(
        f"{user}daemon off; master_process off; pid {work}/pid; error_log {work}/error.log;\nevents {{}}\n"
        f"http {{ access_log off; {paths} include {work}/site.conf; }}\n"
    )
    assert NGINX is not None
    with daemon.running([NGINX, "-e", f"{work}/error.log", "-c", f"{work}/nginx.conf"], port, work / "error.log"):
        yield f"http://127.0.0.1:{port}/amd64/tree"


def test_a_channel_is_served_with_conditions_and_ranges(made: Site, url: str) -> None:
    package = made.name("app-misc/foo/foo-1-1.gpkg.tar")
    whole = requests.get(f"{url}/production/{package}", timeout=10)
    assert whole.content == (made.served() / package).read_bytes()
    for name, value in (("If-None-Match", whole.headers["ETag"]), ("If-Modified-Since", whole.headers["Last-Modified"])):
        assert requests.get(f"{url}/production/{package}", headers={name: value}, timeout=10).status_code == 304
    part = requests.get(f"{url}/production/{package}", headers={"Range": "bytes=1000-"}, timeout=10)
    assert (part.status_code, part.content) == (206, whole.content[1000:])


def test_the_roots_are_served_below_the_channel_and_nobody_keeps_them(made: Site, url: str) -> None:
    made.give_root()
    answer = requests.get(f"{url}/production/root/1", timeout=10)
    assert (answer.content, answer.headers["Cache-Control"]) == (b"1", "no-cache")
    assert requests.get(f"{url}/production/root/keys/KEY.asc", timeout=10).content == b"keys/KEY.asc"
    assert requests.get(f"{url}/production/root/2", timeout=10).status_code == 404


def test_the_plain_index_comes_compressed_to_those_who_take_it(made: Site, url: str) -> None:
    plain = (made.served() / "Packages").read_bytes()
    taken = requests.get(f"{url}/production/Packages", headers={"Accept-Encoding": "gzip"}, timeout=10, stream=True)
    assert taken.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(taken.raw.read()) == plain
    refused = requests.get(f"{url}/production/Packages", headers={"Accept-Encoding": "identity"}, timeout=10)
    assert "Content-Encoding" not in refused.headers
    assert refused.content == plain
    file = requests.get(f"{url}/production/Packages.gz", timeout=10, stream=True)
    assert gzip.decompress(file.raw.read()) == plain


@pytest.mark.parametrize(
    "path",
    ["/", "/production/", "/production", "/releases/", "/releases/.staging/Packages", "/releases/1/.release.json", "/.lock",
     "/pool/", "/pool/app-misc/",
     "/releases/%2estaging/Packages", "/production/app-misc/", "/../../../etc/passwd"],
)  # fmt: skip
def test_nothing_is_listed_and_nothing_unsigned_is_shown(url: str, path: str) -> None:
    answer = requests.get(url + path, timeout=10, allow_redirects=False)
    assert answer.status_code in (301, 403, 404)
    assert b"unsigned" not in answer.content
    assert b"<a href" not in answer.content


def test_nothing_can_be_written(url: str) -> None:
    for method in ("PUT", "POST", "DELETE"):
        assert requests.request(method, f"{url}/production/Packages", data=b"x", timeout=10).status_code == 405


def test_a_switched_channel_shows_in_the_next_answer(made: Site, url: str) -> None:
    tag = requests.head(f"{url}/production/Packages", timeout=10).headers["ETag"]
    made.pkgdir.add("app-misc/foo-2")
    made.publish()
    answer = requests.get(f"{url}/production/Packages", headers={"If-None-Match": tag}, timeout=10)
    assert answer.status_code == 200
    assert answer.content == (made.served() / "Packages").read_bytes()
    assert answer.headers["Cache-Control"] == "no-cache"
    package = made.name("app-misc/foo/foo-1-1.gpkg.tar")
    for place in ("releases/1", "pool"):
        assert "immutable" in requests.head(f"{url}/{place}/{package}", timeout=10).headers["Cache-Control"]


def test_pages_are_shown_and_may_take_nothing_from_elsewhere(url: str) -> None:
    for name, kind in (
        ("", "text/html"),
        ("index.html", "text/html"),
        ("packages/app-misc/foo.html", "text/html"),
        ("search.js", "text/javascript"),
        ("feed.atom", "application/atom+xml"),
        ("search/names.json", "application/json"),
    ):
        answer = requests.get(f"{url}/production/pages/{name}", timeout=10)
        assert answer.status_code == 200, name
        assert answer.headers["Content-Type"].partition(";")[0] == kind
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-cache"
    assert requests.get(f"{url}/production/.pages.json", timeout=10).status_code == 404
    assert requests.get(f"{url}/production/pages/packages/", timeout=10).status_code in (403, 404)
