"""The names of a block in the pool are the same with the C module and without it."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors import PortageExtError
from portage_ext.releases.pool.names import name, named_block
from tests.testkit.compiled import compiled

LOOK = compiled("portage_ext.releases.pool._look")
DIGEST = "0123456789abcdef" * 8


def entry(cpv: str, path: str, digest: str = DIGEST) -> str:
    return f"BLAKE2B: {digest}\nCPV: {cpv}\nKEYWORDS: amd64\nMD5: 1\nPATH: {path}\nSIZE: 12\nMTIME: 1700000000\nREPO: tiny\n\n"


BLOCK = (
    entry("app-misc/foo-1.0", "app-misc/foo/foo-1.0-1.gpkg.tar")
    + entry("app-misc/foo-1.0", "app-misc/foo/foo-1.0-2.gpkg.tar", "f" * 128)
    + entry("dev-libs/b-ar-2-r1", "dev-libs/b-ar/b-ar-2-r1-1.gpkg.tar", "0" * 128)
).encode()


PIECES = [b"", b"\n", b"\n\n", b"PATH: a/b/b-1-1.gpkg.tar\n", b"PATH:\n", b"CPV: a/b-1\n", b"/", b"-", b" ", b"\xff", b"A"]


def found(text: bytes, monkeypatch: pytest.MonkeyPatch, module: object) -> object:
    """The text, the record and the paths of a block, or why it is refused."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "portage_ext.releases.pool._look", module)
        try:
            block, sources = named_block(text, "here")
        except PortageExtError as error:
            return str(error)
        return bytes(block.text), block.digest, block.record, dict(sources)


def test_usual_blocks_are_named_by_the_module() -> None:
    body, record, pairs = LOOK.named(BLOCK)
    names = [new.decode() for new, _ in pairs]
    assert names == [name(path.decode(), text, "here") for text, (_, path) in zip(BLOCK.split(b"\n\n"), pairs, strict=False)]
    assert names[1].endswith("-28446744073709551615.gpkg.tar")
    assert record.split(b"\n")[0] == names[0].encode() + b" 12 1700000000"
    assert body.count(b"PATH: ") == 3
    assert names[2].encode() in body


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(BLOCK)),
            st.integers(0, 20),
            st.sampled_from(
                [
                    b"",
                    b"\n",
                    b"\n\n",
                    b"PATH: a/b/b-1-1.gpkg.tar\n",
                    b"PATH:\n",
                    b"CPV: a/b-1\n",
                    b"/",
                    b"-",
                    b" ",
                    b"\xff",
                    b"A",
                ]
            ),
        ),
        max_size=3,
    )
)
def test_a_damaged_block_is_named_or_refused_as_without_the_module(changes: list[tuple[int, int, bytes]]) -> None:
    text = BLOCK
    for at, size, new in changes:
        text = text[:at] + new + text[at + size :]
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert found(text, monkeypatch, LOOK) == found(text, monkeypatch, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"PATH: app-misc/foo/foo-1.0-2", b"PATH: app-misc/foo/foo-1.0-1"),
        (b"f" * 128, DIGEST.encode()),
        (b"PATH: dev-libs", b"PATH: app-misc"),
        (b"SIZE: 12\n", b""),
        (b"SIZE: 12\n", b"SIZE: \n"),
        (b"f" * 128, b"F" * 128),
        (b"f" * 128, b"f" * 15),
        (b"f" * 128, b"_" + b"f" * 127),
        (b"CPV: dev-libs/b-ar-2-r1", b"CPV: dev-libs/b-ar"),
        (b"CPV: dev-libs/b-ar-2-r1", b"CPV: dev-libs"),
        (b".gpkg.tar\nSIZE", b".tbz2\nSIZE"),
        (b"b-ar-2-r1-1.gpkg.tar", b"b-ar-2-r1.gpkg.tar"),
        (b"KEYWORDS: amd64\n", b"KEYWORDS: amd64\nPATH: a/b/b-1.gpkg.tar\n"),
        (b"KEYWORDS: amd64\n", b"KEYWORDS: amd64\nSIZE: 13\n"),
        (b"KEYWORDS: amd64\n", b"KEYWORDS: \xff\n"),
        (b"foo/foo-1.0-2", b"foo/foo-1.0-\xff"),
    ],
)
def test_an_unusual_entry_is_named_or_refused_as_without_the_module(
    old: bytes, new: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = BLOCK.replace(old, new)
    assert text != BLOCK
    assert found(text, monkeypatch, LOOK) == found(text, monkeypatch, None)
