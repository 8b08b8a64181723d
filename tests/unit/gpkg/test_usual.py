"""The C module reads what tar.py reads, alike, or leaves it to tar.py; and it reads what Portage writes."""

from __future__ import annotations

import tarfile
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import limits
from portage_ext.gpkg import tar
from portage_ext.gpkg.tar import TarError
from tests.testkit import binpkgs
from tests.testkit.compiled import compiled
from tests.unit.gpkg.test_tarfile import archives, honest, mutated

USUAL = compiled("portage_ext.gpkg._usual")
KEYS = frozenset(("PF", "EAPI", "SLOT", "CATEGORY", "RDEPEND", "a", "X"))


def pure_members(data: bytes) -> list[tuple[str, int, int, int]]:
    found = tar.members(lambda at, size: data[at : at + size], len(data), 64)
    return [(one.name, one.start, one.offset, one.size) for one in found]


def pure_values(data: bytes) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tar, "_compiled", lambda: None)
        return tar.read_values(data, "metadata/", KEYS)


def compiled_values(data: bytes, module: ModuleType = USUAL) -> dict[str, bytes] | None:
    known = tar._known_names("metadata/", KEYS)
    found: dict[str, bytes] | None = module.values(
        data, b"metadata/", known, limits.METADATA_VALUE + 1, limits.METADATA_MEMBERS
    )
    return found


@st.composite
def usual(draw: st.DrawFn) -> bytes:
    """What Portage writes, with some bytes changed now and then."""
    names = st.sampled_from([*sorted(KEYS), "foo-1.ebuild", "environment.bz2", "ä", "x" * 90, "x" * 91])
    files = draw(st.dictionaries(names, st.binary(max_size=1100), min_size=1, max_size=6))
    whole = bytearray(binpkgs.tar_of({f"metadata/{name}": data for name, data in files.items()}, tarfile.USTAR_FORMAT))
    if draw(st.booleans()):
        del whole[draw(st.integers(0, len(whole))) :]
    return mutated(draw, whole) if whole and draw(st.booleans()) else bytes(whole)


@given(st.one_of(usual(), archives(), honest(), st.binary(max_size=1600)))
def test_differential_what_it_reads_is_read_alike(data: bytes) -> None:
    found, values = USUAL.members(data, 64), compiled_values(data)
    if found is not None:
        assert found == pure_members(data)
    if values is not None:
        assert list(values.items()) == list(pure_values(data).items())


@given(st.dictionaries(st.sampled_from(sorted(KEYS)), st.binary(max_size=1100), min_size=1))
def test_what_portage_writes_needs_no_other_reader(files: dict[str, bytes]) -> None:
    data = binpkgs.tar_of({f"metadata/{name}": text for name, text in files.items()}, tarfile.USTAR_FORMAT)
    assert compiled_values(data) == files
    assert [one[0] for one in USUAL.members(memoryview(data), 64)] == [f"metadata/{name}" for name in files]


def test_bounds_are_those_of_tar() -> None:
    files = {f"metadata/a{number}": b"" for number in range(9)}
    data = binpkgs.tar_of(files, tarfile.USTAR_FORMAT)
    assert USUAL.members(data, 9) is not None
    assert USUAL.members(data, 8) is None
    long = binpkgs.tar_of({"metadata/PF": bytes(5000)}, tarfile.USTAR_FORMAT)
    assert USUAL.values(long, b"metadata/", tar._known_names("metadata/", KEYS), 100, 9) == {"PF": bytes(100)}
    assert USUAL.values(data, b"metadata/", {}, 100, 8) is None


@pytest.mark.parametrize("cut", [0, 1, 511, 512, 513, 1023, 1024, 1535])
def test_an_archive_without_its_end_is_left_to_tar(cut: int) -> None:
    data = binpkgs.tar_of({"metadata/PF": b"x"}, tarfile.USTAR_FORMAT)[:cut]
    assert compiled_values(data) is None
    assert USUAL.members(data, 64) is None


def test_a_missing_module_is_silent(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "portage_ext.gpkg._usual", None)
    tar._compiled.cache_clear()
    try:
        data = binpkgs.tar_of({"metadata/PF": b"x"}, tarfile.USTAR_FORMAT)
        assert tar.whole_members(memoryview(data), 64) is None
        assert tar.read_values(data, "metadata/", KEYS) == {"PF": b"x"}
        with pytest.raises(TarError):
            tar.read_values(data[:500], "metadata/", KEYS)
    finally:
        tar._compiled.cache_clear()
    assert capfd.readouterr() == ("", "")
