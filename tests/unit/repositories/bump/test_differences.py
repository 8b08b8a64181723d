"""What two releases differ in, whatever they are packed with; and archives that are hostile or damaged."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from portage_ext.limits import repositories as limits
from portage_ext.repositories.bump.differences import between

OLD = {"configure.ac": "AC_INIT([x], [1])\nPKG_CHECK_MODULES(A, a)\n", "gone/meson.build": "x\n", "src/main.c": "int x;\n"}
NEW = {"configure.ac": "AC_INIT([x], [2])\nPKG_CHECK_MODULES(A, a)\n", "COPYING": "GPL\n", "src/main.c": "int y;\n",
       "a/b/c/meson.build": "far too deep\n"}  # fmt: skip
EXPECTED = [
    "COPYING is new: read it",
    "configure.ac:",
    "  -AC_INIT([x], [1])",
    "  +AC_INIT([x], [2])",
    "gone/meson.build is gone",
]


def packed(path: Path, top: str, members: dict[str, str]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for name, text in members.items():
                zipped.writestr(f"{top}/{name}", text)
        return path
    kind = {".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=kind) as archive:  # type: ignore[call-overload]
        for name, text in members.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    data = buffer.getvalue()
    path.write_bytes(zstandard.ZstdCompressor().compress(data) if path.suffix == ".zst" else data)
    return path


@pytest.mark.parametrize("kind", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip"])
def test_build_files_and_licences(tmp_path: Path, kind: str) -> None:
    old, new = packed(tmp_path / f"x-1{kind}", "x-1", OLD), packed(tmp_path / f"x-2{kind}", "x-2", NEW)
    assert list(between([old], [new])) == EXPECTED
    assert list(between([old], [old])) == ["no build file and no licence has changed"]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    good = packed(tmp_path / "x-1.tar.gz", "x-1", OLD)
    for name in ("x-2.tar.gz", "x-2.tar.xz", "x-2.tar.zst", "x-2.zip", "x-2.tar.bz2"):
        bad = tmp_path / name
        bad.write_bytes(b"no archive" * 100)
        (said,) = between([good], [bad])
        assert said.startswith(f"the releases cannot be compared: {name} cannot be read"), said


def test_a_difference_of_any_size_is_cut(tmp_path: Path) -> None:
    many = {"configure.ac": "".join(f"line {number} \x1b[31m\n" for number in range(1000))}
    old, new = packed(tmp_path / "x-1.tar", "x-1", {}), packed(tmp_path / "x-2.tar", "x-2", many)
    lines = list(between([old], [new]))
    assert len(lines) == limits.BUMP_LINES + 1
    assert lines[-1] == f"and {1001 - limits.BUMP_LINES} more lines"
    assert all(one.isprintable() for one in lines)
