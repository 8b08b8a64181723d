"""Our reading of tar agrees with Python's wherever both accept, and nothing that is no plain file gets through."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.gpkg.tar import TarError, members, read_values
from tests.unit.gpkg.test_tarfile import Piece, record

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="/"), min_size=1, max_size=200).filter(
    lambda name: name not in (".", "..")
)
FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def archive(files: dict[str, bytes], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"metadata/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@given(st.dictionaries(NAMES, st.binary(max_size=1500), max_size=12), FORMATS)
def test_what_python_writes_is_read_back(files: dict[str, bytes], form: int) -> None:
    try:
        data = archive(files, form)
    except ValueError:  # ustar has no room for every long name
        return
    assert read_values(data, "metadata/", None) == files
    wanted = frozenset(list(files)[:3])
    assert read_values(data, "metadata/", wanted) == {name: files[name] for name in files if name in wanted}


@given(st.dictionaries(NAMES, st.binary(max_size=600), min_size=1, max_size=4), FORMATS, st.data())
def test_damage_is_an_error_or_read_as_python_reads_it(files: dict[str, bytes], form: int, data: st.DataObject) -> None:
    try:
        whole = bytearray(archive(files, form))
    except ValueError:
        return
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, min(len(whole) - 1, 4096)))] = data.draw(st.integers(0, 255))
    try:
        ours = read_values(bytes(whole), "metadata/", None)
    except TarError:
        return
    with tarfile.open(fileobj=io.BytesIO(bytes(whole)), mode="r:") as tar:
        theirs = {member.name[9:]: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    assert ours == theirs


@pytest.mark.parametrize(("place", "value"), [(154, 128), (154, 1), (148, ord("9")), (124, ord("8")), (135, ord("1"))])
def test_header_field_that_is_not_quite_octal_is_an_error(place: int, value: int) -> None:
    whole = bytearray(archive({"x": b"1"}, tarfile.USTAR_FORMAT))
    whole[place] = value
    with pytest.raises(TarError):
        read_values(bytes(whole), "metadata/", None)


@given(st.binary(max_size=3000))
def test_any_bytes_end_in_values_or_a_tar_error(data: bytes) -> None:
    try:
        list(members(lambda offset, size: data[offset : offset + size], len(data), 64))
        read_values(data, "metadata/", None)
    except TarError:
        return


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6", b"S", b"g", b"K", b"Z"])
def test_a_member_that_is_no_plain_file_is_refused(kind: bytes) -> None:
    info = tarfile.TarInfo("metadata/x")
    info.type = kind
    with pytest.raises(TarError):
        read_values(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024), "metadata/", None)


PLAIN = Piece()
END = bytes(1024)
LONG = Piece(name=b"././@LongLink", kind=b"L", data=b"metadata/PF\0")
PAX = Piece(name=b"././@PaxHeader", kind=b"x", data=record(b"path", b"metadata/EAPI"))
AMBIGUOUS = {
    "a long name before a pax header": [LONG, PAX, PLAIN],
    "a pax header before a long name": [PAX, LONG, PLAIN],
    "two long names": [LONG, LONG, PLAIN],
    "a long name that goes on in its padding": [replace(LONG, data=b"metadata/P", padding=b"F\0"), PLAIN],
    "a long name that ends early": [replace(LONG, data=b"metadata/PF\0metadata/EAPI\0"), PLAIN],
    "a pax header that goes on in its padding": [replace(PAX, padding=record(b"path", b"metadata/PF")), PLAIN],
    "a pax header with a key twice": [replace(PAX, data=PAX.data * 2), PLAIN],
    "a pax header that changes how it is read": [replace(PAX, data=record(b"hdrcharset", b"BINARY") + PAX.data), PLAIN],
    "a pax header without a key": [replace(PAX, data=record(b"", b"x") + PAX.data), PLAIN],
    "a pax header with an empty name": [replace(PAX, data=record(b"path", b"")), PLAIN],
    "a pax header with a NUL in the name": [replace(PAX, data=record(b"path", b"metadata/PF\0x")), PLAIN],
    "a pax size that no number is": [replace(PAX, data=record(b"size", "²".encode())), PLAIN],
    "a pax size beside another": [replace(PAX, data=record(b"size", b"1")), PLAIN],
    "a sparse map": [replace(PAX, data=record(b"GNU.sparse.map", b"0,1")), PLAIN],
    "a prefix that GNU tar does not write": [replace(PLAIN, name=b"SLOT", magic=b"ustar  \0", prefix=b"metadata")],
    "a version of ustar that nobody knows": [replace(PLAIN, magic=b"ustar\x0001")],
    "a checksum that is off by 65521": [replace(PLAIN, off=65521)],
    "a checksum of signed bytes": [replace(PLAIN, name=b"metadata/\xc3\xa4", checksum="signed")],
    "a checksum off by 65521 behind a long name": [replace(LONG, off=65521), PLAIN],
    "a mode that is no number": [replace(PLAIN, numbers=(b"zzzzzzz\0", *PLAIN.numbers[1:]))],
    "a device that is no number": [replace(PLAIN, numbers=(*PLAIN.numbers[:5], b"zzzzzzz\0"))],
    "a size below zero": [replace(PLAIN, size="negative")],
    "a directory as it was written once": [replace(PLAIN, name=b"metadata/x/", kind=b"\0")],
    "a file with a name of a directory": [replace(PLAIN, name=b"metadata/x/")],
    "a name twice": [PLAIN, PLAIN],
    "a name twice, once behind a long name": [Piece(name=b"metadata/PF"), LONG, PLAIN],
    "a name twice as a path": [PLAIN, replace(PLAIN, name=b"metadata/./SLOT")],
    "a name that is no file": [replace(PLAIN, name=b"metadata/..")],
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_an_archive_that_can_be_read_in_two_ways_is_refused(name: str) -> None:
    with pytest.raises(TarError):
        read_values(b"".join(map(bytes, AMBIGUOUS[name])) + END, "metadata/", None)


@pytest.mark.parametrize("behind", [b"x", bytes(1024) + b"x", bytes(512) + bytes(Piece(name=b"metadata/PF"))])
def test_data_behind_the_end_is_refused(behind: bytes) -> None:
    with pytest.raises(TarError, match="after the end"):
        read_values(bytes(PLAIN) + behind, "metadata/", None)


@pytest.mark.parametrize("data", [b"", bytes(511)])
def test_what_is_too_short_for_an_archive_is_none(data: bytes) -> None:
    with pytest.raises(TarError):
        read_values(data, "metadata/", None)


@pytest.mark.parametrize("piece", [LONG, PAX])
def test_a_header_for_a_member_that_does_not_come_is_an_error(piece: Piece) -> None:
    for behind in (b"", END, bytes(300)):
        with pytest.raises(TarError):
            read_values(bytes(piece) + behind, "metadata/", None)
