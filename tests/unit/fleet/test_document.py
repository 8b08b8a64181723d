"""A document that could write anywhere else than into its repository is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from portage_ext.errors.fleet import InvalidConfigError
from portage_ext.fleet.configuration import Left
from portage_ext.fleet.document import FORMAT, Document, Profile, parse

ONE = Profile(
    "gentoo:default/linux",
    {"parent": "gentoo:default/linux\n", "package.use": "a/b c\n"},
    {"desk-x": "a/b\n"},
    (Left("a", "b"),),
)


def test_it_reads_what_it_wrote() -> None:
    document = Document({"desk": ONE})
    assert parse(document.emit(), "here") == document
    assert document.with_profile("desk", None) == Document()


def test_the_repository_has_the_profile_its_sets_and_its_masters() -> None:
    texts = Document({"desk": ONE}).repository("fleet")
    assert texts["profiles/fleet/desk/package.use"] == b"a/b c\n"
    assert texts["sets/desk-x"] == b"a/b\n"
    assert b"${repository:fleet}/sets" in texts["sets.conf"]
    assert b"masters = gentoo\n" in texts["metadata/layout.conf"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("../x", {}),
        ("desk", {"files": {"parent": "gentoo:default/linux\n", "../../passwd": "x"}}),
        ("desk", {"files": {"parent": "gentoo:default/linux\n", "package.bashrc": "x"}}),
        ("desk", {"files": {"parent": "other:default\n"}}),
        ("desk", {"parent": "gentoo:../../x"}),
        ("desk", {"parent": "/etc/shadow"}),
        ("desk", {"sets": {"../x": "a/b\n"}}),
        ("desk", {"sets": {"x": "a\x1b[31m\n"}}),
        ("desk", {"left": [["a"]]}),
        ("desk", {"files": []}),
    ],
)
def test_foreign_names_and_texts_are_refused(name: str, change: dict[str, Any]) -> None:
    values = json.loads(Document({"desk": ONE}).emit())["profiles"]["desk"] | change
    with pytest.raises(InvalidConfigError):
        parse(json.dumps({"format": FORMAT, "profiles": {name: values}}).encode(), "there")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": "portage-ext-config-1"}', b"[" * 100_000])
def test_other_json_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidConfigError):
        parse(data, "there")
