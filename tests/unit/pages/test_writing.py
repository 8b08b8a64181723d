"""The pages of a release: all of them are bound, what changed is written, and the rest is the same file as before."""

from __future__ import annotations

import json
import random
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from portage_ext.limits import views as limits
from portage_ext.pages import package, search, writing
from portage_ext.pages.writing import About, Writer
from portage_ext.releases import beside, pages
from portage_ext.releases.made import Published
from tests.unit.releases.published import Site, site

KEY = "0123456789ABCDEF0123456789ABCDEF01234567"


def about(**more: object) -> About:
    return About("amd64", "https://binhost.example.org/amd64", [KEY], **more)  # type: ignore[arg-type]


@pytest.fixture
def made(tmp_path: Path) -> Site:
    made = site(tmp_path, pages=Writer(about()))
    made.pkgdir.add("app-misc/foo-1", USE="ssl", DESC="Does foo", RDEPEND="dev-libs/bar x? ( gone/away )")
    made.pkgdir.add("dev-libs/bar-2", SLOT="2", LICENSE="MIT")
    made.publish()
    return made


def folder(made: Site, channel: str = "production") -> Path:
    return made.served(channel) / "pages"


def test_a_release_binds_every_page(made: Site) -> None:
    sums = (folder(made) / "B2SUMS").read_bytes()
    assert made.tree.contents(1).header["PAGES"] == pages.binding(sums)
    assert made.tree.release(1).plain.size == (made.served() / "Packages").stat().st_size
    listed = {line[130:] for line in sums.decode().splitlines()}
    assert listed == {str(one.relative_to(folder(made))) for one in folder(made).rglob("*") if one.is_file()} - {"B2SUMS"}
    subprocess.run(["b2sum", "--check", "--strict", "--quiet", "B2SUMS"], cwd=folder(made), check=True)


def test_any_byte_of_a_contract_is_shown(tmp_path: Path) -> None:
    """In a contract, each byte may be written as %XX: here none that is text, an escape, and one that turns the line around."""
    made = site(tmp_path, pages=Writer(about()))
    made.pkgdir.add("app-misc/foo-1", SYMBOL_CONTRACT="1 > x86_64 lib%bc.so%1b X%e2%80%ae_1")
    made.publish()
    foo = (folder(made) / "packages/app-misc/foo.html").read_text()
    assert r"lib\udcbc.so\x1b" in foo
    assert r"X\u202e_1" in foo


def test_a_page_tells_what_to_write_and_who_needs_a_package(made: Site) -> None:
    bar = (folder(made) / "packages/dev-libs/bar.html").read_text()
    assert "<code>dev-libs/bar  getbinpkg.conf</code>" in bar
    assert "<code>emerge --ask dev-libs/bar</code>" in bar
    assert '<a href="../../packages/app-misc/foo.html">app-misc/foo</a>' in bar
    foo = (folder(made) / "packages/app-misc/foo.html").read_text()
    assert '<a href="../../packages/dev-libs/bar.html">dev-libs/bar</a>' in foo
    assert "<span>gone/away</span>" in foo
    setup = (folder(made) / "setup.html").read_text()
    assert (
        f"portage-ext setup --role client --binhost https://binhost.example.org/amd64/production \\\n    --key {KEY}" in setup
    )
    assert 'href="../keys/' in setup


def test_what_did_not_change_is_the_same_file(made: Site) -> None:
    before = {one: (folder(made) / f"packages/{one}.html").stat().st_ino for one in ("app-misc/foo", "dev-libs/bar")}
    made.pkgdir.add("app-misc/foo-3", DESC="Does more", RDEPEND="dev-libs/bar")
    made.publish()
    after = {one: (folder(made) / f"packages/{one}.html").stat().st_ino for one in before}
    assert after["dev-libs/bar"] == before["dev-libs/bar"]
    assert after["app-misc/foo"] != before["app-misc/foo"]
    assert "1 added" in (folder(made) / "releases.html").read_text() or "+1" in (folder(made) / "releases.html").read_text()
    assert "app-misc/foo-3" in (folder(made) / "releases/2.html").read_text()
    assert (folder(made) / "releases/1.html").exists()


WORDS = ("core", "lib", "util", "net")


def _change(made: Site, chance: random.Random) -> None:
    """Add, rebuild and remove some packages."""
    paths = sorted(made.pkgdir.packages)
    for path in chance.sample(paths, min(len(paths) // 4, 6)):
        made.pkgdir.remove(path)
    for _ in range(8):
        name = f"{chance.choice(('app-misc', 'dev-libs'))}/{chance.choice(WORDS)}{chance.randrange(12)}x"
        needs = " ".join(f"dev-libs/{chance.choice(WORDS)}{chance.randrange(12)}x" for _ in range(chance.randrange(4)))
        flags = " ".join(sorted(chance.sample(("ssl", "X", "nls", "qt6"), 2)))
        made.pkgdir.add(f"{name}-{chance.randrange(1, 4)}", build=chance.randrange(1, 4), RDEPEND=needs, USE=flags)


def _files(top: Path, *kinds: str) -> dict[str, bytes]:
    paths = [path for kind in kinds for path in (top / kind).rglob("*") if path.is_file()]
    return {str(path.relative_to(top)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("seed", range(3))
def test_pages_that_follow_from_earlier_ones_equal_pages_written_anew(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAGES_ROWS", 3)  # so that row files are divided
    chance = random.Random(seed)
    (tmp_path / "a").mkdir()
    made = site(tmp_path / "a", pages=Writer(about()))
    for _ in range(6):
        _change(made, chance)
        made.publish()
        following = folder(made)
        with monkeypatch.context() as forgetful:
            forgetful.setattr(writing.state, "read", lambda release: None)
            made.publisher.publish("anew", made.source())
        anew = folder(made, "anew")
        there, here = (_files(top, "packages", "categories", "search") for top in (anew, following))
        assert here.keys() == there.keys()
        assert [name for name in here if here[name] != there[name]] == []


def test_every_row_is_in_the_file_where_the_search_looks(made: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGES_ROWS", 2)
    names = ["a/lib", "b/lib", "a/liba", "a/libab", "a/libb", "a/x+y", "a/l"]
    divided = search.divided(names)
    assert sorted(name for members in divided.values() for name in members) == sorted(names)
    for key, members in divided.items():
        for name in members:
            pn = name.partition("/")[2]
            # As search.js: the name with a dot, else the longest key that it begins with.
            longest = max((one for one in divided if not one.endswith(".") and pn.startswith(one)), key=len, default="")
            assert key == (f"{pn}." if f"{pn}." in divided else longest)


HOSTILE = '<script>alert(1)</script>" onload="alert(2)\' \u202eevil &amp;'


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script" and dict(attrs).get("src", "").split("/")[-1] != "search.js":  # type: ignore[union-attr]
            self.found.append(tag)
        self.found += [name for name, _ in attrs if name.startswith("on") or name == "style"]


def test_hostile_metadata_stays_text(tmp_path: Path) -> None:
    made = site(tmp_path, pages=Writer(About(HOSTILE)))
    made.pkgdir.add(
        "app-misc/foo-1", DESC=HOSTILE, LICENSE=HOSTILE, USE=HOSTILE, SLOT=HOSTILE, RDEPEND=HOSTILE, SYMBOL_CONTRACT=HOSTILE
    )
    made.publish()
    made.pkgdir.add("app-misc/foo-1", build=2, DESC=HOSTILE, USE=f"{HOSTILE} more")
    made.publish()
    seen = 0
    for path in folder(made).rglob("*.html"):
        text = path.read_text()
        parser = _Scripts()
        parser.feed(text)
        assert parser.found == [], path
        assert "\u202e" not in text
        seen += text.count("&lt;script&gt;alert(1)")
    assert seen >= 5
    rows = json.loads((folder(made) / "search/rows-.json").read_text())
    assert rows[0][1].startswith("<script>")  # text to the search, which never makes markup of it
    assert "\\u202e" in rows[0][1]


def test_pages_allow_no_script_but_the_one_beside_them(made: Site) -> None:
    for path in folder(made).rglob("*.html"):
        text = path.read_text()
        assert text.index("Content-Security-Policy") < text.index("<link")
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in text
        assert not re.search(r"""(?:src|href)="(?:https?:)?//""", text)


def test_a_defect_costs_the_pages_and_not_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    made = site(tmp_path, pages=Writer(about(warn=said.append)))
    made.pkgdir.add("app-misc/foo-1")

    def broken(*_: object) -> bytes:
        raise RuntimeError("a defect")

    monkeypatch.setattr(package, "page", broken)
    made.publish()
    assert said == ["release 1 has no pages: RuntimeError: a defect. The release itself is complete"]
    assert not folder(made).exists()
    assert made.tree.contents(1).header["PAGES"] == "none"
    unchanged = made.publisher.publish("production", made.source())
    assert unchanged.release is None  # no release after release for the sake of pages that fail


def test_pages_that_are_turned_on_or_off_are_a_reason_for_a_release(tmp_path: Path) -> None:
    made = site(tmp_path)
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    made.publisher._pages = Writer(about())
    done = made.publisher.publish("production", made.source())
    assert isinstance(done, Published)
    assert done.beside == (beside.PAGES,)
    made.publisher._pages = None
    assert made.publisher.publish("production", made.source()).beside == (beside.NO_PAGES,)
    assert "PAGES" not in made.tree.contents(made.tree.live("production")).header


@pytest.mark.parametrize("damage", [b"", b"{", b'{"made_by": 1}', b"[]"])
def test_a_damaged_state_is_written_again(made: Site, damage: bytes) -> None:
    (made.served() / ".pages.json").write_bytes(damage)
    made.pkgdir.add("app-misc/new-1")
    made.publish()
    assert (folder(made) / "packages/dev-libs/bar.html").exists()
    subprocess.run(["b2sum", "--check", "--strict", "--quiet", "B2SUMS"], cwd=folder(made), check=True)


def test_a_state_of_another_index_is_written_again(made: Site) -> None:
    path = made.served() / ".pages.json"
    values = json.loads(path.read_text())
    values["paths"] = {"app-misc/other": ["app-misc/other/other-1.gpkg.tar"]}
    path.write_text(json.dumps(values))
    made.pkgdir.add("app-misc/foo-1", build=7)
    made.publish()
    assert (folder(made) / "packages/dev-libs/bar.html").exists()
    assert not (folder(made) / "packages/app-misc/other.html").exists()


def test_the_history_outlives_the_releases_and_has_a_bound(made: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGES_HISTORY", 3)
    for number in range(2, 6):
        made.pkgdir.add(f"app-misc/foo-{number}")
        made.publish()
        made.tree.remove(number - 1)
    text = (folder(made) / "releases.html").read_text()
    assert re.findall(r'<th scope="row"><a href="releases/(\d+)\.html">', text) == ["5", "4", "3"]
    assert (folder(made) / "releases/3.html").exists()
    assert text.count("<figure>") == 3


def test_signed_packages_are_counted_by_their_manifest(tmp_path: Path) -> None:
    signed = tmp_path / "signed"
    signed.write_bytes(bytes(100_000) + b"-----BEGIN PGP SIGNATURE-----\n" + bytes(2000))
    assert writing.carries_signature(signed)
    signed.write_bytes(b"-----BEGIN PGP SIGNATURE-----\n" + bytes(100_000))
    assert not writing.carries_signature(signed)


def test_the_feed_tells_the_releases_of_the_channel(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-2")
    made.publish()
    feed = ElementTree.parse(folder(made) / "feed.atom").getroot()
    ns = {"a": "http://www.w3.org/2005/Atom"}
    assert [one.text for one in feed.findall("a:entry/a:title", ns)] == ["Release 2: 1 added", "Release 1: no package changed"]
    links = [one.attrib["href"] for one in feed.findall("a:entry/a:link", ns)]
    assert links[0] == "https://binhost.example.org/amd64/production/pages/releases/2.html"
    ids = [one.text for one in feed.iter("{http://www.w3.org/2005/Atom}id")]
    assert len(ids) == len(set(ids))


def test_build_times_that_are_known_are_added_up(tmp_path: Path) -> None:
    made = site(tmp_path, pages=Writer(about(times=lambda: {"app-misc/foo": 3600.0, "not/here": 5.0})))
    made.pkgdir.add("app-misc/foo-1")
    made.pkgdir.add("app-misc/bar-1")
    made.publish()
    assert "60 min (known for 1 package)" in (folder(made) / "index.html").read_text()
