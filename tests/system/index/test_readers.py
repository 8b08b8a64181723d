"""Portage's reader and ours read an index that we accept alike: as it was offered, as handed on, and from Portage's cache."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from portage_ext.errors import InvalidIndexError
from portage_ext.index import keys
from portage_ext.index.text import parse_index
from portage_ext.model import STRONG
from portage_ext.model.contract import KEY as CONTRACT
from portage_ext.trust.entries import sanitise
from portage_ext.trust.known_index import find_entry
from tests.system.index import sandbox
from tests.testkit import differential, portages

GOOD = {
    "BUILD_ID": "3", "CPV": "app-misc/foo-1.0-r1", "PATH": "app-misc/foo/foo-1.0-r1-{}.gpkg.tar", "SIZE": "100",
    "BLAKE2B": "a" * 128, "SHA512": "b" * 128, "MD5": "c" * 32, "RDEPEND": "dev-libs/bar",
}  # fmt: skip
KEYS = st.sampled_from((
    "CPV", "PATH", "SLOT", "SIZE", "REPO", "repository", "MTIME", "_mtime_", "DESC", "DESCRIPTION", "CHOST", "USER_PATCHES",
    "EAPI", "SYMBOL_CONTRACT", "BLAKE2B", "FETCHCOMMAND", "BASE_URI", "URI", "TTL", "TIMESTAMP", "RELEASE", "ARCH", "FUTURE",
    "", " SLOT",
))  # fmt: skip
VALUES = st.sampled_from((
    "", "0", "a/b-1", "tiny", " x", "x ", "a: b", "a\rREPO: b", "a\x85b", "a\u2028b", "\x00", "\ufffd", "é",
))  # fmt: skip
LINES = st.one_of(
    st.tuples(KEYS, st.sampled_from((": ", ": ", ": ", ":", " : ", "")), VALUES).map("".join),
    st.sampled_from(("no colon", "\r", "\ttab: x", "\x0c")),
).map(str.encode)
BROKEN = st.sampled_from((b"DESC: \xff", b"DESC: \xc3", b"\xe2\x82", b"SLOT: 1\xf0\x9f"))


@st.composite
def offered(draw: st.DrawFn) -> bytes:
    """An index such as Portage writes, into which somebody has put lines."""
    blocks = [draw(st.sampled_from(([], [b"VERSION: 0", b"CHOST: riscv64"], [b"VERSION: 0", b"REPO: tiny"])))]
    for number in range(draw(st.integers(0, 3))):
        good = [f"{key}: {value.format(number)}".encode() for key, value in GOOD.items()]
        blocks.append(good if draw(st.integers(0, 5)) else draw(st.sampled_from(([], [b"CPV: a/b-1"], [b"SLOT: 1"]))))
    for _ in range(draw(st.integers(0, 3))):
        block = draw(st.sampled_from(blocks))
        block.insert(draw(st.integers(0, len(block))), draw(LINES | BROKEN))
    text = b"".join(b"".join(line + b"\n" for line in block) + b"\n" for block in blocks)
    return text[: len(text) - draw(st.integers(0, 2))] + draw(st.sampled_from((b"", b"", b"", b"CPV: x", b"A: \xc3", b"\xc3")))


SCRIPT = """
import codecs, io, json, sys, tempfile
import portage
from portage.dbapi.bintree import binarytree
from portage.getbinpkg import PackageIndex

tree = binarytree(pkgdir=portage.settings["PKGDIR"], settings=portage.settings)
tree._pkgindex_default_header_data["CHOST"] = ""
translated = tree._pkgindex_translated_keys
more = {"BLAKE2B", "SHA512", "SYMBOL_CONTRACT"}

def read(index, data):
    index.read(codecs.iterdecode(io.BytesIO(data.encode("latin-1")), "utf-8", errors="replace"))
    return index

def as_offered(data):
    # Keys and values alone, without what Portage fills in.
    index = read(PackageIndex(allowed_pkg_keys=tree._pkgindex_allowed_pkg_keys | more, translated_keys=translated), data)
    return {"header": index.header, "entries": [dict(one) for one in index.packages]}

def as_handed(data):
    index = read(tree._new_pkgindex(), data)
    first = [dict(one) for one in index.packages]
    index.modified = False
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as file:
        index.write(file)
        file.flush()
        with open(file.name, encoding="utf-8", errors="replace") as again:
            cached = tree._new_pkgindex()
            cached.read(again)
    return {"header": index.header, "entries": first, "cached": [dict(one) for one in cached.packages],
            "cached header": cached.header}

raw, handed = json.load(open(sys.argv[1]))
print(json.dumps({
    "allowed": sorted(tree._pkgindex_allowed_pkg_keys | more), "defaults": tree._pkgindex_default_pkg_data,
    "raw": [as_offered(one) for one in raw], "handed": [as_handed(one) for one in handed],
}))
"""


def in_text(values: Mapping[str, str]) -> dict[str, str]:
    return {keys.IN_TEXT.get(key, key): value for key, value in values.items()}


@pytest.mark.parametrize("version", portages.outermost())
def test_differential_with_portages_reader(work: Path, version: str) -> None:
    raw: list[bytes] = []
    read: list[Any] = []
    handed: list[bytes] = []
    for data in differential.drawn(offered()):
        try:
            header, found = parse_index(io.BytesIO(data))
            entries = list(found)
        except InvalidIndexError:
            continue
        raw.append(data)
        read.append((header, entries))
        handed.append(sanitise("lab", header, entries, strong=False).text(1_795_000_000))
    root = sandbox.make_root(work, version=version)
    theirs = differential.answers(root, SCRIPT, [[one.decode("latin-1") for one in texts] for texts in (raw, handed)])
    known = set(in_text(dict.fromkeys(theirs["allowed"], "")))
    for data, (header, entries), told in zip(raw, read, theirs["raw"], strict=True):
        assert header == in_text(told["header"]), data
        ours = [{key: value for key, value in one.values.items() if key in known} for one in entries]
        assert ours == [in_text(one) for one in told["entries"]], data
    several = 0
    for text, told in zip(handed, theirs["handed"], strict=True):
        theirs_here = [in_text(one) for one in told["entries"]]
        by_path = {one["PATH"]: one for one in theirs_here}
        assert len(by_path) == len(theirs_here) == int(told["header"]["PACKAGES"]), text
        for path, entry in by_path.items():
            mine = find_entry(text, path)
            assert mine is not None, text
            # What Portage knows of ours is up to the plugin; what it fills in where nothing is said, to Portage.
            values = {key: value for key, value in mine.values.items() if key in known - {*STRONG, CONTRACT}}
            assert {**in_text(theirs["defaults"]), **values} == entry, text
        assert {one["PATH"]: one for one in map(in_text, told["cached"])} == by_path, text
        assert told["cached header"] == told["header"], text
        several += len(by_path) > 1
    assert several > len(handed) / 8
