"""Our reading of tar agrees with Python's wherever both accept, and nothing that is no plain file gets through."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portage_ext import limits
from portage_ext.gpkg.tar import TarError, members, read_values

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="/"), min_size=1, max_size=200)
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
@settings(max_examples=60, deadline=None)
def test_what_python_writes_is_read_back(files: dict[str, bytes], form: int) -> None:
    try:
        data = archive(files, form)
    except ValueError:  # ustar has no room for every long name
        return
    assert read_values(data, "metadata/", None) == files
    wanted = frozenset(list(files)[:3])
    assert read_values(data, "metadata/", wanted) == {name: files[name] for name in files if name in wanted}


@given(st.dictionaries(NAMES, st.binary(max_size=600), min_size=1, max_size=4), FORMATS, st.data())
@settings(max_examples=150, deadline=None)
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


def test_headers_without_end_stop_at_a_bound() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = b"L", 512
    piece = info.tobuf(tarfile.GNU_FORMAT) + b"a" * 512
    with pytest.raises(TarError, match="without end"):
        read_values(piece * (limits.PAX_HEADER // 64), "metadata/", None)
