"""Names of projects, of packages and of USE flags; the two files that a person writes."""

from __future__ import annotations

import pytest

from portage_ext.errors import SettingsError
from portage_ext.errors.pypi import InvalidNameError
from portage_ext.repositories.pypi.names import flag, normalised, package, parse_list, parse_names


@pytest.mark.parametrize(("name", "expected"), [("Foo.Bar", "foo-bar"), ("a__b-.c", "a-b-c"), ("X", "x")])
def test_one_name(name: str, expected: str) -> None:
    assert normalised(name) == expected


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "a/b", "../a", "a\n", "$(id)", "a" * 101, "ä", "a`id`"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(InvalidNameError):
        normalised(name)


def test_packages() -> None:
    assert package("python-dateutil") == "dev-python/python-dateutil"
    assert package("py-2to3") == "dev-python/py-2to3"
    for name in ("a-2", "a-2-3", "a-1a", "a-20"):
        with pytest.raises(InvalidNameError, match="ends like a version"):
            package(name)


def test_flags_that_mean_something_else() -> None:
    assert flag("x", "Socks_5") == "socks-5"
    for extra in ("test", "DOC", "python-targets-python3-12"):
        with pytest.raises(InvalidNameError):
            flag("x", extra)


def test_the_file_names() -> None:
    text = """
    PyYAML  dev-python/pyyaml   # a comment
    requests[socks] dev-python/requests[socks5]
    native LXML dev-libs/libxml2 dev-libs/libxslt
    native fast none
    """
    names = parse_names(text, "names")
    assert names.package("pyyaml") == "dev-python/pyyaml"
    assert names.package("other") == "dev-python/other"
    assert names.extras == {("requests", "socks"): ("dev-python/requests", "socks5")}
    assert names.native == {"lxml": ("dev-libs/libxml2", "dev-libs/libxslt"), "fast": ()}


@pytest.mark.parametrize("line", ["x", "x y/$(id)", "x ../../etc", "x a/b-1.0", "x a/b c/d", "$(id) a/b", "native x a/b;id"])
def test_lines_of_names_that_are_none(line: str) -> None:
    with pytest.raises(SettingsError, match="names, line 2"):
        parse_names(f"# first\n{line}\n", "names")


def test_the_list() -> None:
    listed = parse_list("Requests[socks]\nfoo==1.2 # pinned\nbar >=1, <2\n", "packages")
    assert {name: (str(one.specifier), one.extras) for name, one in listed.items()} == {
        "requests": ("", {"socks"}),
        "foo": ("==1.2", set()),
        "bar": ("<2,>=1", set()),
    }


@pytest.mark.parametrize("line", ["x @ https://a/b", "x; os_name=='a'", "x y", "(" * 1000, "x==", "x\x00y", "-r other"])
def test_lines_of_the_list_that_are_none(line: str) -> None:
    with pytest.raises(SettingsError, match="line 1"):
        parse_list(line, "packages")
