"""Which packages of a PKGDIR are looked at to be signed."""

from __future__ import annotations

import os
from pathlib import Path

from portage_ext.pkgdir.signing import packages


def test_directories_nested_without_end_keep_nothing_from_being_signed(work: Path) -> None:
    (work / "a.gpkg.tar").touch()
    home = os.open(".", os.O_RDONLY)
    os.chdir(work)
    try:
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        assert packages(work) == [work / "a.gpkg.tar"]
    finally:
        # No function of the standard library removes as many.
        while Path.cwd() != work:
            os.chdir("..")
            os.rmdir("d")
        os.fchdir(home)
        os.close(home)
