"""The lock file, the administrator's directory, and what other repositories have."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from portage_ext.errors import SettingsError
from portage_ext.errors.pypi import ChangedFileError
from portage_ext.repositories.pypi import places
from portage_ext.repositories.pypi.lock import Lock, parse
from portage_ext.repositories.pypi.names import Names
from portage_ext.repositories.pypi.provided import Provided

A, B = "a" * 64, "b" * 64


def test_a_locked_version_never_changes() -> None:
    lock = Lock().having([("foo", Version("1.0"), A)])
    lock.check("foo", Version("1.0"), A)
    lock.check("foo", Version("1.1"), B)
    with pytest.raises(ChangedFileError, match="take the version's line out of the lock file"):
        lock.check("foo", Version("1.0.0"), B)
    assert lock.having([("foo", Version("1.0"), B)]) == lock
    assert parse(lock.text(), "lock") == lock


@pytest.mark.parametrize("line", ["foo", "foo 1.0 sha256:xyz", "../foo 1.0 sha256:" + A, "foo 1..0 sha256:" + A])
def test_a_damaged_lock_is_no_empty_lock(line: str) -> None:
    with pytest.raises(SettingsError, match="lock, line 2"):
        parse(f"# head\n{line}\n", "lock")


def test_the_directory(work: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        places.listed(work)
    lists = work / "packages"
    lists.mkdir()
    with pytest.raises(SettingsError, match="it lists no project"):
        places.listed(work)
    (lists / "one").write_text("Foo\n")
    (lists / "two").write_text("bar[x]\n")
    (lists / ".hidden").write_text("not a line of it\n")
    assert sorted(places.listed(work)) == ["bar", "foo"]
    assert places.names(work) == Names()
    assert places.confirmed(work) == frozenset()
    places.confirm(work, {"lib": "for foo\n$(id)"})
    places.confirm(work, {"other": "for foo"})
    assert places.confirmed(work) == {"lib", "other"}
    assert (work / "confirmed").read_text().splitlines()[1:] == ["lib  # for foo $(id)", "other  # for foo"]
    (work / "confirmed").write_text("a b\n")
    with pytest.raises(SettingsError, match="confirmed, line 1"):
        places.confirmed(work)


def _package(root: Path, package: str, *versions: str, xml: str = "", text: str = "inherit distutils-r1\n") -> None:
    directory = root / package
    directory.mkdir(parents=True)
    for version in versions:
        (directory / f"{directory.name}-{version}.ebuild").write_text(text)
    (directory / "metadata.xml").write_text(xml)


def test_what_others_have(work: Path) -> None:
    one, two = work / "one", work / "two"
    _package(one, "dev-python/Foo_bar", "1.9", "1.10-r1", "9999")
    _package(
        one,
        "dev-vcs/tool",
        "1",
        xml='<remote-id type="pypi">The.Tool</remote-id>',
        text="DISTUTILS_SINGLE_IMPL=1\ninherit distutils-r1\n",
    )
    _package(two, "dev-python/foo-bar", "2")
    _package(two, "dev-python/live", "9999")
    _package(two, "app-misc/other", "3", text="inherit meson\n")
    provided = Provided(
        {"one": one, "two": two, "gone": work / "gone"}, Names({"mapped": "app-misc/other", "no": "app-misc/no"})
    )
    found = provided.provider("foo-bar")
    assert found is not None
    assert (found.package, found.versions, found.repository, found.python) == (
        "dev-python/Foo_bar",
        ("1.9", "1.10-r1"),
        "::one",
        True,
    )
    tool, mapped = provided.provider("the-tool"), provided.provider("mapped")
    assert tool is not None
    assert (tool.package, tool.python) == ("dev-vcs/tool", False)
    assert mapped is not None
    assert (mapped.package, mapped.repository, mapped.python) == ("app-misc/other", "::two", False)
    assert [provided.provider(name) for name in ("live", "no", "nothing")] == [None, None, None]
    assert provided.text("dev-vcs/tool/metadata.xml", 5) == "<remo"
    assert provided.text("eclass/none", 5) is None
