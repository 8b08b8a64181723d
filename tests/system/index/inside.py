"""Runs inside a root, with the Portage there: makes packages with Portage's own code, and reads indexes with its own reader.

usage: inside.py build PKGDIR SPECIFICATION.json; inside.py read PKGDIR...
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import portage
from portage.dbapi.bintree import binarytree
from portage.gpkg import gpkg
from portage.xpak import tbz2, xpak_mem


def build(pkgdir: Path, specification: list[dict]) -> None:
    """``specification``: ``path``, ``metadata`` and for gpkgs ``compression`` (a value of BINPKG_COMPRESS)."""
    with tempfile.TemporaryDirectory() as image:
        Path(image, "data").write_text("content")
        for one in specification:
            path = pkgdir / one["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            metadata = {key: value.encode() for key, value in one["metadata"].items()}
            if path.name.endswith(".gpkg.tar"):
                package = gpkg(portage.settings, path.name.removesuffix(".gpkg.tar"), str(path))
                package.compression = None if one["compression"] == "none" else one["compression"]
                package.compress(image, metadata)
            else:
                path.write_bytes(b"image")
                tbz2(str(path)).recompose_mem(xpak_mem(metadata))


def read(pkgdir: Path) -> dict:
    index = binarytree(pkgdir=str(pkgdir), settings=portage.settings)._load_pkgindex()
    return {"header": index.header, "packages": [dict(package) for package in index.packages]}


if __name__ == "__main__":
    os.umask(0o022)
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text()))
    else:
        print(json.dumps([read(Path(place)) for place in sys.argv[2:]]))
