"""Wheels and source archives: honest ones are read, hostile ones end in a named error within bounds."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors.pypi import InvalidArchiveError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi.published import sdist, wheel
from tests.testkit.pypi import archive, tarball

HONEST = {"x.py": b"", "x-1.0.dist-info/METADATA": b"Name: x\n" * 100, "x-1.0.dist-info/WHEEL": b""}


def _sdist(data: bytes) -> sdist.Sdist:
    return sdist.read(io.BytesIO(data), "x 1.0")


def test_a_wheel() -> None:
    assert wheel.metadata(archive(HONEST), "x") == b"Name: x\n" * 100


def test_wheels_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = archive(HONEST)
    twice = archive({**HONEST, "y-1.0.dist-info/METADATA": b""})
    without = archive({"x.py": b""})
    appended = honest + b"x"
    changed = bytearray(honest)
    changed[honest.index(b"METADATA") + len("METADATA") + 2] ^= 0xFF
    for data in (b"", b"PK\5\6", honest[:-5], twice, without, appended, bytes(changed), b"x" * 100):
        with pytest.raises(InvalidArchiveError):
            wheel.metadata(data, "x")
    monkeypatch.setattr(limits, "PYPI_METADATA", 100)
    with pytest.raises(InvalidArchiveError, match="800 bytes"):
        wheel.metadata(honest, "x")


def test_a_bomb_in_a_wheel_gives_no_more_than_it_announces() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("x-1.dist-info/METADATA", b"\0" * 10_000_000)
    data = bytearray(buffer.getvalue())
    at = data.rfind(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<L", 10)
    with pytest.raises(InvalidArchiveError):
        wheel.metadata(bytes(data), "x")


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_wheel_with_one_wrong_byte_is_read_or_refused(place: int, value: int) -> None:
    data = bytearray(archive(HONEST))
    data[place % len(data)] = value
    with contextlib.suppress(InvalidArchiveError):
        assert wheel.metadata(bytes(data), "x") == b"Name: x\n" * 100


def test_a_source_archive() -> None:
    found = _sdist(tarball("x-1.0", {"PKG-INFO": b"a", "pyproject.toml": b"b", "src/x.py": b"", "docs/pyproject.toml": b"no"}))
    assert found == sdist.Sdist("x-1.0", b"b", b"a", False, False)
    assert _sdist(tarball("x", {"rust/Cargo.toml": b""})).cargo
    assert not _sdist(tarball("x", {"tests/data/crate/example/Cargo.toml": b""})).cargo
    assert _sdist(tarball("x", {"src/fast.pyx": b""})).compiled


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for info, data in members:
            made.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue())


def _info(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


def test_source_archives_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    two = _tar((_info("a/x"), b""), (_info("b/x"), b""))
    climbing = _tar((_info("../x"), b""))
    absolute = _tar((_info("/etc/x"), b""))
    shell = _tar((_info("$(id)/x"), b""))
    for data in (b"", b"no gzip", tarball("x", {"a": b""})[:-30], two, climbing, absolute, shell, gzip.compress(b"x" * 5000)):
        with pytest.raises(InvalidArchiveError):
            _sdist(data)
    # A link is no file to read.
    assert _sdist(_tar((_info("x/PKG-INFO", kind=tarfile.SYMTYPE, link="/etc/passwd"), b""))).pkg_info is None
    for bound, data in (
        ("PYPI_MEMBERS", tarball("x", {str(number): b"" for number in range(20)})),
        ("PYPI_UNPACKED", tarball("x", {"a": b"\0" * 100_000, "b": b""})),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(limits, bound, 10)
            with pytest.raises(InvalidArchiveError):
                _sdist(data)


def test_a_header_that_announces_gigabytes_is_refused() -> None:
    info = _info("x", kind=tarfile.XHDTYPE, size=0)
    header = bytearray(info.tobuf())
    header[124:136] = b"77777777777\0"
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(InvalidArchiveError):
        _sdist(gzip.compress(bytes(header) + b"\0" * 10240))


def test_a_list_of_holes_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """GNU sparse 1.0: the number of holes, then two numbers for each, as long as the archive goes on."""
    # A tenth of the bound: tarfile takes a second for a list as long as that.
    monkeypatch.setattr(limits, "PYPI_TAR_READ", limits.PYPI_TAR_READ // 10)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as made:
        info = _info("x/sparse", 1_200_000)
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "x/y",
            "GNU.sparse.realsize": "1",
        }
        made.addfile(info, io.BytesIO(b"4000000\n" + b"1\n" * 599_996))
    with pytest.raises(InvalidArchiveError):
        _sdist(gzip.compress(buffer.getvalue(), 1))
