"""Pages of an index in both forms, and pages that nobody should have to read."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from portage_ext.errors.pypi import InvalidPageError, NoReleaseError, NoSdistError, YankedError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi.choice import choose
from portage_ext.repositories.pypi.published.page import Release, parse
from tests.testkit.pypi import PythonIndex

WHERE = "https://index.example/simple/foo/"


@pytest.mark.parametrize("html", [False, True])
def test_both_forms_say_the_same(html: bool, work: Path) -> None:
    index = PythonIndex(work, html=html)
    index.release("Foo", "1.0", served=False)
    index.release("Foo", "1.1", yanked="it is <broken>")
    index.release("Foo", "2.0", wheel="cp312-cp312-linux_x86_64", sdist=False)
    found = parse((work / "simple/foo/index.html").read_bytes(), WHERE, "foo")
    assert {str(version): (one.sdist is not None, one.native, one.yanked) for version, one in found.items()} == {
        "1.0": (True, False, None),
        "1.1": (True, False, "it is <broken>"),
        "2.0": (False, True, None),
    }
    first, second = found[Version("1.0")], found[Version("1.1")]
    assert first.sdist is not None
    assert first.sdist.url == "https://index.example/files/foo-1.0.tar.gz"
    assert first.pure is not None
    assert first.pure.metadata is None
    assert second.pure is not None
    assert len(second.pure.metadata or "") == 64


def _page(**changes: Any) -> dict[Version, Release]:
    file = {"filename": "foo-1.0.tar.gz", "url": "https://a.example/foo-1.0.tar.gz", "hashes": {"sha256": "0" * 64}, **changes}
    return parse(json.dumps({"files": [file]}).encode(), WHERE, "foo")


def test_files_that_are_passed_over() -> None:
    assert _page()
    for changes in (
        {"hashes": {}}, {"hashes": {"sha256": "$(id)"}}, {"hashes": {"md5": "0" * 32}}, {"filename": "../foo-1.0.tar.gz"},
        {"filename": "foo-1.0.tar.gz\n"}, {"filename": "bar-1.0.tar.gz"}, {"filename": 1}, {"url": "file:///etc/passwd"},
        {"url": "https://a.example/$(id)"}, {"url": "https://user:word@a.example/x"},
        {"url": "https://a.example/" + "x" * 3000},
        {"url": "https://[::1/x"}, {"filename": "foo-1.0.exe"}, {"filename": "foo-nonsense.tar.gz"},
    ):  # fmt: skip
        assert _page(**changes) == {}, changes


@pytest.mark.parametrize("data", [b"{", b"{}", b'{"files": 1}', b"[" * 10_000, b"{" * 10_000, b"\xff\xfe"])
def test_pages_that_are_none(data: bytes) -> None:
    with contextlib.suppress(InvalidPageError):
        assert parse(data, WHERE, "foo") == {}


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        {"filename": f"foo-{n}.tar.gz", "url": f"https://a/foo-{n}.tar.gz", "hashes": {"sha256": "0" * 64}} for n in range(20)
    ]
    data = json.dumps({"files": files}).encode()
    for bound in ("PYPI_FILES", "PYPI_PAGE"):
        with monkeypatch.context() as patch:
            patch.setattr(limits, bound, 10)
            with pytest.raises(InvalidPageError):
                parse(data, WHERE, "foo")


def test_the_release_that_is_chosen(work: Path) -> None:
    index = PythonIndex(work)
    for version, options in {
        "1.0": {},
        "1.1": {},
        "2.0": {"yanked": "no"},
        "2.1": {"sdist": False},
        "3.0rc1": {},
        "1!0": {},
    }.items():
        index.release("foo", version, **options)  # type: ignore[arg-type]
    page = parse((work / "simple/foo/index.html").read_bytes(), WHERE, "foo")

    def chosen(text: str) -> str:
        return str(choose(page, SpecifierSet(text), "foo").version)

    assert chosen("") == "1.1"
    assert chosen("<1.1") == "1.0"
    assert chosen("==3.0rc1") == "3.0rc1"
    with pytest.raises(YankedError, match=r"foo 2.0: the project has yanked this version \(no\)"):
        chosen("==2.0")
    with pytest.raises(NoSdistError):
        chosen("==2.1")
    with pytest.raises(NoReleaseError, match=r"no version of it is >=9; the newest is 3\.0rc1"):
        chosen(">=9")
    with pytest.raises(NoReleaseError, match="no release"):
        choose({}, SpecifierSet(), "foo")
