"""A Python index on disk that tests fill with projects of their own: source archives and wheels written by hand.

``simple/NAME/index.html`` is the page of a project in JSON (PEP 691) or HTML (PEP 503): a plain web server gives it out for the
directory, and the reader looks at the content and not at its type.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import io
import json
import re
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BACKENDS = {
    "setuptools": '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n',
    "flit": '[build-system]\nrequires = ["flit_core>=3.2"]\nbuild-backend = "flit_core.buildapi"\n',
    "hatchling": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
    "maturin": '[build-system]\nrequires = ["maturin>=1"]\nbuild-backend = "maturin"\n',
}


@dataclass(slots=True)
class PythonIndex:
    """An index below ``location``; ``pages`` are what its JSON pages say, for a test to change before ``write``."""

    location: Path
    pages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    html: bool = False

    def release(
        self,
        name: str,
        version: str,
        *,
        requires: tuple[str, ...] = (),
        fields: tuple[str, ...] = ("Requires-Python: >=3.9", "License-Expression: MIT", "Summary: A project of the tests"),
        backend: str = "setuptools",
        pyproject: str | None = None,
        wheel: str | None = "py3-none-any",
        sdist: bool = True,
        served: bool = True,
        yanked: str | None = None,
        more: dict[str, bytes] | None = None,
    ) -> None:
        """Publish a release: METADATA of ``fields`` and ``requires``; a wheel of the tag ``wheel``, None for none."""
        metadata = (
            "\n".join(
                (
                    "Metadata-Version: 2.4",
                    f"Name: {name}",
                    f"Version: {version}",
                    *fields,
                    *(f"Requires-Dist: {one}" for one in requires),
                )
            ).encode()
            + b"\n\nA description.\n"
        )
        normal = re.sub(r"[-_.]+", "_", name).lower()
        if sdist:
            members = {
                "PKG-INFO": metadata,
                "pyproject.toml": (
                    pyproject if pyproject is not None else BACKENDS[backend] + _project(name, version)
                ).encode(),
                f"{normal}.py": f'VERSION = "{version}"\n'.encode(),
                **(more or {}),
            }
            self.add(name, f"{normal}-{version}.tar.gz", tarball(f"{normal}-{version}", members), yanked=yanked)
        if wheel is not None:
            dist_info = f"{normal}-{version}.dist-info"
            files = {f"{normal}.py": b"", f"{dist_info}/METADATA": metadata, f"{dist_info}/WHEEL": b"Wheel-Version: 1.0\n"}
            served_as = metadata if served else None
            self.add(name, f"{normal}-{version}-{wheel}.whl", archive(files), metadata=served_as, yanked=yanked)

    def add(self, project: str, name: str, data: bytes, *, metadata: bytes | None = None, yanked: str | None = None) -> None:
        """Publish one file."""
        path = self.location / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        entry: dict[str, Any] = {
            "filename": name,
            "url": f"../../files/{name}",
            "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
            "size": len(data),
            "yanked": yanked if yanked is not None else False,
        }
        if metadata is not None:
            path.with_name(f"{name}.metadata").write_bytes(metadata)
            entry["core-metadata"] = {"sha256": hashlib.sha256(metadata).hexdigest()}
        normal = re.sub(r"[-_.]+", "-", project).lower()
        page = self.pages.setdefault(normal, [])
        page[:] = [*(one for one in page if one["filename"] != name), entry]
        self.write(normal)

    def remove(self, project: str, version: str) -> None:
        """Take a release off the page; its files stay."""
        page = self.pages[project]
        page[:] = [one for one in page if f"-{version}-" not in one["filename"] and f"-{version}.tar" not in one["filename"]]
        self.write()

    def write(self, only: str | None = None) -> None:
        """Write all pages, or one."""
        for project, files in self.pages.items() if only is None else [(only, self.pages[only])]:
            path = self.location / "simple" / project / "index.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                _html(files) if self.html else json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": files})
            )


def _project(name: str, version: str) -> str:
    module = re.sub(r"[-_.]+", "_", name).lower()
    return f'[project]\nname = "{name}"\nversion = "{version}"\n[tool.setuptools]\npy-modules = ["{module}"]\n'


def _html(files: list[dict[str, Any]]) -> str:
    lines = []
    for one in files:
        attributes = f'href="{one["url"]}#sha256={one["hashes"]["sha256"]}"'
        if "core-metadata" in one:
            attributes += f' data-core-metadata="sha256={one["core-metadata"]["sha256"]}"'
        if one["yanked"] is not False:
            attributes += f' data-yanked="{html.escape(one["yanked"])}"'
        lines.append(f"<a {attributes}>{one['filename']}</a><br/>")
    return "<!DOCTYPE html><html><body>\n" + "\n".join(lines) + "\n</body></html>\n"


def tarball(directory: str, members: dict[str, bytes]) -> bytes:
    """A .tar.gz with ``members`` below ``directory``; the same members give the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(f"{directory}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    """A wheel: a zip with ``members``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in members.items():
            zipped.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
