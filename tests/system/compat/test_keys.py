"""The names in index/keys.py are those of Portage's reader, in every Portage that is supported: a new one is noticed here."""

from __future__ import annotations

import json
from functools import reduce
from typing import Any

import pytest

from portage_ext.index import keys
from portage_ext.model import STRONG
from portage_ext.model.contract import KEY as CONTRACT
from tests.system.index import sandbox
from tests.testkit.environments import NEWEST, SUPPORTED

OURS = {*STRONG, CONTRACT}
SCRIPT = """
import ast, inspect, json
import portage
from portage import getbinpkg
from portage.dbapi import bintree
from portage.package.ebuild import profile_iuse

tree = bintree.binarytree(pkgdir=portage.settings["PKGDIR"], settings=portage.settings)
asked = set()
for module in (getbinpkg, bintree, profile_iuse):
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        # header.get("K"), header["K"], "K" in header; the same of src, dest and env, as its functions call the header.
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("get", "pop", "setdefault"):
            place, name = node.func.value, node.args[0]
        elif isinstance(node, ast.Subscript):
            place, name = node.value, node.slice
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            place, name = node.comparators[0], node.left
        else:
            continue
        called = getattr(place, "attr", getattr(place, "id", ""))
        if called in ("header", "src", "dest", "env") and isinstance(name, ast.Constant):
            asked.add(name.value)
header = dict(tree._pkgindex_default_header_data)
tree._update_pkgindex_header(header)
print(json.dumps({
    "allowed": sorted(tree._pkgindex_allowed_pkg_keys), "translated": dict(tree._pkgindex_translated_keys),
    "inherited": list(tree._pkgindex_inherited_keys), "header": sorted(tree._pkgindex_header_keys), "asked": sorted(asked),
    "iuse": [name for name in inspect.getsource(profile_iuse.iter_iuse_vars).split('"') if name.isupper() and " " not in name],
    "written": sorted(header),
}))
"""


def in_text(names: list[str]) -> set[str]:
    return {keys.IN_TEXT.get(name, name) for name in names}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each Portage says of itself."""
    found = {}
    for version in SUPPORTED:
        root = sandbox.make_root(tmp_path_factory.mktemp("keys"), version=version)
        found[version] = json.loads(root.run("python3", "-c", SCRIPT).ok().stdout)
    return found


def test_keys_of_entries(tables: dict[str, Any]) -> None:
    known = {version: in_text(one["allowed"]) for version, one in tables.items()}
    for version, names in known.items():
        assert names - keys.ENTRY - keys.COMMANDS == set(), f"Portage {version} reads more: is it to be handed on?"
        assert names >= keys.COMMANDS
    assert reduce(set.union, known.values()) == (keys.ENTRY - OURS) | keys.COMMANDS
    assert known[NEWEST] == (keys.ENTRY - OURS) | keys.COMMANDS


def test_names_and_inheritance(tables: dict[str, Any]) -> None:
    for one in tables.values():
        assert one["translated"] == keys.IN_TEXT
        assert in_text(one["inherited"]) == set(keys.INHERITED)


def test_keys_of_headers(tables: dict[str, Any]) -> None:
    for version, one in tables.items():
        assert {"TIMESTAMP", "URI", "TTL", "VERSION", "ARCH", "DOWNLOAD_TIMESTAMP"} <= set(one["asked"])
        assert {"IUSE_IMPLICIT", "USE_EXPAND", "USE_EXPAND_VALUES_"} <= set(one["iuse"])
        for name in in_text([*one["asked"], *one["iuse"], *one["header"], *one["written"]]):
            assert keys.in_header(name), f"Portage {version} reads or writes {name} in a header: is it to be handed on?"


def test_nothing_that_sends_readers_elsewhere_is_handed_on() -> None:
    assert not keys.ENTRY & keys.COMMANDS
    assert not any(keys.describes_builder(key) for key in (*keys.ABOUT_THE_INDEX, *keys.COMMANDS, "PATH", "CPV", "RELEASE"))
