"""Whatever our reader of tar accepts, Python's ``tarfile`` reads alike, opened as Portage opens it."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors import PackageError
from portage_ext.gpkg.container import read_container
from portage_ext.gpkg.source import Source, open_package
from portage_ext.gpkg.tar import TarError, members, read_values
from tests.testkit import binpkgs

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
Read = list[tuple[str, int, int, bytes]]


@dataclass(frozen=True)
class Piece:
    """One header with its data, as somebody who writes bytes by hand makes it."""

    name: bytes = b"metadata/SLOT"
    numbers: tuple[bytes, ...] = (b"0000644\0", b"0000000\0", b"0000000\0", b"14377676137\0", b"0000000\0", b"0000000\0")
    size: str = "octal"
    kind: bytes = b"0"
    magic: bytes = b"ustar\x0000"
    prefix: bytes = b""
    checksum: str = "octal"
    off: int = 0
    data: bytes = b"0\n"
    padding: bytes = b"\0"

    def header(self) -> bytes:
        mode, uid, gid, mtime, major, minor = self.numbers
        front = self.name[:100].ljust(100, b"\0") + mode + uid + gid + number(len(self.data), self.size, 12) + mtime
        behind = self.kind + bytes(100) + self.magic + bytes(64) + major + minor + self.prefix.ljust(155, b"\0") + bytes(12)
        blank = front + b" " * 8 + behind
        total = sum(blank) if self.checksum != "signed" else sum(byte - 256 * (byte > 127) for byte in blank)
        form = "base-256" if self.checksum == "base-256" else "short"
        return front + number(total + self.off, form, 8) + behind

    def __bytes__(self) -> bytes:
        missing = -len(self.data) % 512
        return self.header() + self.data + (self.padding * 512)[:missing]


def number(value: int, form: str, width: int) -> bytes:
    octal = b"%o" % max(value, 0)
    forms = {
        "octal": octal.rjust(width - 1, b"0") + b"\0",
        "short": octal.rjust(6, b"0") + b"\0 ",
        "blanks": b" " * (width - 1 - len(octal)) + octal + b" ",
        "full": octal.rjust(width, b"0"),
        "split": octal + b"\0" + b"7",
        "prefix": b"0o" + octal,
        "plus": b"+" + octal,
        "underscore": b"0_" + octal,
        "tab": b"\t" + octal,
        "base-256": b"\x80" + value.to_bytes(width - 1, "big", signed=value < 0),
        "negative": b"\xff" + (256 ** (width - 1) - max(value, 1)).to_bytes(width - 1, "big"),
        "empty": bytes(width),
        "digit": b"8".rjust(width - 1, b"0") + b"\0",
    }
    return forms[form][:width].ljust(width, b"\0")


def record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest) + 1
    while len(b"%d" % size) + len(rest) != size:
        size += 1
    return b"%d" % size + rest


NAMES = st.sampled_from(
    [b"metadata/SLOT", b"metadata/PF", b"metadata/x", b"metadata/x/", b"metadata/./SLOT", b"metadata//SLOT", b"metadata/../x",
     b"x", b"metadata/a\0b", b"metadata/" + b"n" * 91, b"metadata/" + b"/" * 91, b"metadata/\xc3\xa4", b"metadata/\xff",
     b"", b"metadata"]
)  # fmt: skip
KEYS = st.sampled_from([b"path", b"size", b"mtime", b"uid", b"linkpath", b"hdrcharset", b"GNU.sparse.major", b"", b"comment"])
VALUES = st.sampled_from(
    [b"", b"metadata/PF", b"metadata/PF/", b"metadata/a\0b", b"2", b"0", b"-1", b"1000", "²".encode(), "١".encode(), b"BINARY",
     b"1.5", b"1\n19 path=metadata/PF", b"metadata/\xff", b"9" * 30]
)  # fmt: skip
SIZES = ["octal", "octal", "octal", "full", "blanks", "split", "prefix", "plus", "underscore", "tab", "base-256", "negative",
         "empty", "digit"]  # fmt: skip
BODIES = {
    b"L": st.tuples(NAMES, st.sampled_from([b"\0", b"", b"\0\0", b"\0x\0"])).map(b"".join),
    b"x": st.lists(st.tuples(KEYS, VALUES).map(lambda pair: record(*pair)), max_size=3).map(b"".join),
}
NUMBERS = st.sampled_from(
    [b"0000000\0", b"\0" * 8, b"       \0", b"zzzzzzz\0", b"0000008\0", b"\x80" + bytes(7), b"\xff" * 8, b"0\0z    \0"]
)


@st.composite
def pieces(draw: st.DrawFn) -> Piece:
    """Mostly plain; what is odd about it is odd alone, or with few others."""
    made = Piece()
    if draw(st.booleans()):
        kind = draw(
            st.sampled_from([b"0", b"\0", b"7", b"L", b"x", b"K", b"g", b"X", b"S", b"5", b"2", b"1", b"Z", b"L", b"x"])
        )
        made = replace(made, kind=kind, data=draw(BODIES.get(kind, st.just(b"0\n"))))
    for odd in draw(
        st.sets(st.sampled_from(["name", "number", "size", "magic", "prefix", "checksum", "data", "padding"]), max_size=2)
    ):
        if odd == "name":
            made = replace(made, name=draw(NAMES))
        elif odd == "number":
            numbers = list(made.numbers)
            place = draw(st.integers(0, 5))
            numbers[place] = draw(NUMBERS).ljust(len(numbers[place]), b"\0")
            made = replace(made, numbers=tuple(numbers))
        elif odd == "size":
            made = replace(made, size=draw(st.sampled_from(SIZES)))
        elif odd == "magic":
            made = replace(made, magic=draw(st.sampled_from([b"ustar  \0", bytes(8), b"ustar\0\0\0", b"ustar\x0001"])))
        elif odd == "prefix":
            made = replace(made, prefix=draw(st.sampled_from([b"metadata", b"p", b"\0p", b"p/"])))
        elif odd == "checksum":
            made = replace(
                made,
                checksum=draw(st.sampled_from(["signed", "base-256", "octal"])),
                off=draw(st.sampled_from([0, 1, 65521, -65521, 131072, -1, 65520])),
            )
        elif odd == "data":
            made = replace(made, data=draw(st.binary(max_size=1200)))
        else:
            made = replace(made, padding=draw(st.sampled_from([b"x", b"\0x", b"19 path=metadata/PF\n"])))
    return made


TAILS = st.sampled_from(
    [bytes(1024), bytes(512), b"", bytes(512) + b"x" * 512, bytes(300), b"x" * 300, b"x" * 512 + bytes(1024)]
)
BETWEEN = st.sampled_from([b"", b"", b"", b"", bytes(512), bytes(1024), b"x" * 512])


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    whole = bytearray()
    for piece in draw(st.lists(pieces(), min_size=1, max_size=4)):
        whole += bytes(piece) + draw(BETWEEN)
    whole += draw(TAILS)
    return mutated(draw, whole) if draw(st.integers(0, 3)) == 0 else bytes(whole)


def mutated(draw: st.DrawFn, whole: bytearray) -> bytes:
    """Some bytes changed, and the checksum of the header that they are in corrected, so that it is looked at."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, min(len(whole) - 1, 8000)))
        whole[place] = draw(st.sampled_from([0, 0x20, 0x2F, 0x30, 0x37, 0x4C, 0x78, 0x80, 0xFF, draw(st.integers(0, 255))]))
        start = place // 512 * 512
        if draw(st.booleans()) and len(whole) >= start + 512 and whole[start + 257 : start + 262] == b"ustar":
            whole[start + 148 : start + 156] = b" " * 8
            whole[start + 148 : start + 156] = b"%06o\0 " % sum(whole[start : start + 512])
    return bytes(whole)


@st.composite
def honest(draw: st.DrawFn) -> bytes:
    names = st.text("abcXYZ_-+.0123", min_size=1, max_size=160).filter(lambda name: name not in (".", ".."))
    files = draw(st.dictionaries(names.map(lambda name: f"metadata/{name}"), st.binary(max_size=700), min_size=1, max_size=4))
    try:
        whole = bytearray(binpkgs.tar_of(files, draw(st.sampled_from(FORMATS))))
    except ValueError:  # ustar has no room for every long name
        whole = bytearray(binpkgs.tar_of(files, tarfile.GNU_FORMAT))
    return mutated(draw, whole) if draw(st.booleans()) else bytes(whole)


def ours(data: bytes) -> Read:
    found = list(members(lambda at, size: data[at : at + size], len(data), 64))
    return [(one.name, one.offset, one.size, data[one.offset : one.offset + one.size]) for one in found]


def theirs(data: bytes, mode: str = "r:") -> Read:
    with tarfile.open(fileobj=io.BytesIO(data), mode=mode) as archive:  # type: ignore[call-overload]
        return [(one.name, one.offset_data, one.size, content(archive, one)) for one in archive.getmembers()]


def content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    assert member.isreg(), member
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


@given(st.one_of(archives(), honest()))
def test_differential_what_we_accept_tarfile_reads_alike(data: bytes) -> None:
    try:
        read = ours(data)
    except TarError:
        read = None
    assert read is None or read == theirs(data)
    try:
        values = read_values(data, "metadata/", None)
    except TarError:
        return
    found = theirs(data)
    # Portage takes the last of a name from the index and refuses it while merging: there is none.
    assert list(values.items()) == [(name.removeprefix("metadata/"), content) for name, _, _, content in found]
    assert all(name.startswith("metadata/") and name.count("/") == 1 for name, *_ in found)
    some = frozenset(list(values)[::2])
    assert read_values(data, "metadata/", some) == {key: values[key] for key in some}


@given(st.lists(pieces(), min_size=1, max_size=2), st.integers(0, 5), st.booleans(), st.data())
def test_differential_a_container_that_we_accept_tarfile_reads_alike(
    odd: list[Piece], place: int, hand: bool, draw: st.DataObject
) -> None:
    whole = bytearray(binpkgs.gpkg(compression="none", form=draw.draw(st.sampled_from(FORMATS))))
    if hand:
        starts = [at for at in range(0, len(whole), 512) if whole[at + 257 : at + 262] == b"ustar"]
        at = starts[place % len(starts)]
        whole[at:at] = b"".join(bytes(replace(piece, name=piece.name.replace(b"metadata/", b"foo-1/"))) for piece in odd)
    data = mutated(draw.draw, whole)
    with file_of(data) as path:
        fd = open_package(path)
        try:
            container = read_container(Source(fd, "x"))
        except PackageError:
            return
        finally:
            os.close(fd)
        # As Portage opens it: whatever compression tarfile believes to see.
        with tarfile.open(path, "r") as archive:
            found = {one.name.partition("/")[2]: (one.name, one.offset_data, one.size) for one in archive.getmembers()}
            assert all(one.isreg() for one in archive.getmembers())
    assert found == {name: (one.name, one.offset, one.size) for name, one in container.members.items()}


@contextlib.contextmanager
def file_of(data: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=".gpkg.tar") as file:
        file.write(data)
        file.flush()
        yield Path(file.name)
