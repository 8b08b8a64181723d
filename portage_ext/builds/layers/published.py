"""Files of a copied host are looked for in the published packages that are installed there: the same build, by its id and time.

A package that cannot be read only means that the host is asked for its files.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from portage_ext.errors import PortageExtError
from portage_ext.gpkg.container import read_container
from portage_ext.gpkg.image import Content, gpkg_image
from portage_ext.gpkg.source import Source, open_package
from portage_ext.index.text import parse_index
from portage_ext.model import GPKG_SUFFIX
from portage_ext.targets.capture import Installed


def contents(pkgdirs: Iterable[Path], installed: Collection[Installed]) -> Iterator[tuple[str, Content]]:
    """Yield the path (relative to the root) and the content of each file in those packages of ``pkgdirs`` that are
    ``installed``."""
    for package in fitting(pkgdirs, installed):
        with contextlib.suppress(PortageExtError, OSError), contextlib.ExitStack() as closing:
            fd = open_package(package)
            closing.callback(os.close, fd)
            source = Source(fd, str(package))
            for name, _, content in gpkg_image(source, read_container(source)):
                if content is not None:
                    yield name.lstrip("/"), content


def fitting(pkgdirs: Iterable[Path], installed: Collection[Installed]) -> list[Path]:
    """The packages in the indexes of ``pkgdirs`` that are the builds which are installed; one for each."""
    left = {(one.cpv, one.build_id, one.build_time) for one in installed if one.build_id and one.build_time}
    found: list[Path] = []
    for pkgdir in pkgdirs:
        with contextlib.suppress(PortageExtError, OSError), (pkgdir / "Packages").open("rb") as file:
            for entry in parse_index(file, str(pkgdir / "Packages"))[1]:
                key = (entry.get("CPV"), entry.get("BUILD_ID"), entry.get("BUILD_TIME"))
                if key in left and entry.path.endswith(GPKG_SUFFIX) and ".." not in entry.path.split("/"):
                    left.discard(key)
                    found.append(pkgdir / entry.path.lstrip("/"))
    return found
