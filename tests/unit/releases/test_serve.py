"""The server for trying out: files of the tree, as HTTP has them, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from portage_ext.releases.serve import make_server
from tests.unit.releases.published import Site, site


@pytest.fixture
def made(tmp_path: Path) -> Site:
    made = site(tmp_path)
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    return made


@pytest.fixture
def url(made: Site) -> Iterator[str]:
    with make_server(made.tree.root, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_files_of_a_channel_are_served(made: Site, url: str) -> None:
    assert requests.get(f"{url}/production/Packages", timeout=10).content == (made.served() / "Packages").read_bytes()


def test_the_roots_are_served_below_the_channel(made: Site, url: str) -> None:
    assert requests.get(f"{url}/production/root/1", timeout=10).status_code == 404
    made.give_root()
    assert requests.get(f"{url}/production/root/1", timeout=10).content == b"1"
    assert requests.get(f"{url}/production/root/keys/KEY.asc", timeout=10).content == b"keys/KEY.asc"
    assert requests.get(f"{url}/production/root/2", timeout=10).status_code == 404


def test_conditions_and_ranges_are_answered(url: str) -> None:
    whole = requests.get(f"{url}/production/Packages", timeout=10)
    for name, value in (("If-None-Match", whole.headers["ETag"]), ("If-Modified-Since", whole.headers["Last-Modified"])):
        assert requests.get(f"{url}/production/Packages", headers={name: value}, timeout=10).status_code == 304
    part = requests.get(f"{url}/production/Packages", headers={"Range": "bytes=5-"}, timeout=10)
    assert (part.status_code, part.content) == (206, whole.content[5:])
    tail = requests.get(f"{url}/production/Packages", headers={"Range": "bytes=-3"}, timeout=10)
    assert tail.content == whole.content[-3:]
    assert requests.get(f"{url}/production/Packages", headers={"Range": "bytes=99999999-"}, timeout=10).status_code == 416
    stale = {"Range": "bytes=5-", "If-Range": '"another"'}
    assert requests.get(f"{url}/production/Packages", headers=stale, timeout=10).content == whole.content


@pytest.mark.parametrize(
    "path", ["/", "/production/", "/production", "/releases/1/.release.json", "/.lock", "/%2e%2e/binpkgs/Packages", "/a%00b"]
)
def test_nothing_else_is_served(url: str, path: str) -> None:
    assert requests.get(url + path, timeout=10).status_code == 404


def test_a_link_out_of_the_tree_is_not_followed(made: Site, url: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (made.tree.root / "leak").symlink_to(tmp_path / "secret")
    assert requests.get(f"{url}/leak", timeout=10).status_code == 404


def test_nothing_can_be_written(url: str) -> None:
    for method in ("PUT", "POST", "DELETE"):
        assert requests.request(method, f"{url}/production/Packages", data=b"x", timeout=10).status_code in (405, 501)


def test_pages_come_with_the_types_that_a_browser_shows_and_nothing_else_does(made: Site, url: str) -> None:
    folder = made.served() / "pages"
    folder.mkdir()
    for name in ("index.html", "style.css", "search.js", "feed.atom", "B2SUMS", ".hidden.html"):
        (folder / name).write_bytes(b"x")
    (made.served() / "app-misc/evil.html").write_bytes(b"x")
    types = {name: requests.get(f"{url}/production/pages/{name}", timeout=10).headers["Content-Type"].partition(";")[0]
             for name in ("", "index.html", "style.css", "search.js", "feed.atom", "B2SUMS")}  # fmt: skip
    assert list(types.values()) == [
        "text/html", "text/html", "text/css", "text/javascript", "application/atom+xml", "application/octet-stream",
    ]  # fmt: skip
    assert requests.get(f"{url}/production/pages/.hidden.html", timeout=10).status_code == 404
    assert (
        requests.get(f"{url}/production/app-misc/evil.html", timeout=10).headers["Content-Type"] == "application/octet-stream"
    )
