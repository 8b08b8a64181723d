"""The readers of what a Python index publishes, and of what a repository made from one keeps."""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet

from portage_ext.repositories.pypi import candidate as candidates
from portage_ext.repositories.pypi import lock, names
from portage_ext.repositories.pypi.candidate import Candidate, Terms
from portage_ext.repositories.pypi.choice import choose
from portage_ext.repositories.pypi.contents import read_kept
from portage_ext.repositories.pypi.published import metadata, page, sdist, wheel
from portage_ext.repositories.pypi.published.page import File
from portage_ext.repositories.pypi.written import backends, ebuild, licences
from portage_ext.repositories.pypi.written.dependencies import Provider
from tests.system.fuzz.judging import Target
from tests.testkit.pypi import BACKENDS, PythonIndex, archive, tarball

METADATA = (
    b"Metadata-Version: 2.4\nName: foo\nVersion: 1.0\nSummary: A thing\nLicense-Expression: MIT OR (ISC AND BSD-3-Clause)\n"
    b"Requires-Python: >=3.9\nProject-URL: Source, https://github.com/a/b\nProvides-Extra: x\n"
    b'Requires-Dist: bar[y]>=1,!=1.5,<2; python_version < "3.12"\nRequires-Dist: baz~=1.4.2; extra == "x"\n\nText\n'
)
KEPT = b'{"foo": {"file": ["a", "b", "c"], "size": 1, "build": ["x", [], false], "metadata": "Name: foo"}}'
WORDS = (
    b"Requires-Dist: ",
    b"python_full_version",
    b"platform_machine",
    b"(((((((((",
    b" WITH ",
    b"$(id)",
    b"`id`",
    b"==1.*",
    b"\n ",
)


@cache
def pages() -> list[bytes]:
    found = []
    for html in (False, True):
        with tempfile.TemporaryDirectory(prefix="pe-fuzz-") as name:
            index = PythonIndex(Path(name), html=html)
            index.release("foo", "1.0")
            index.release("foo", "2.0", yanked="no", wheel="cp312-cp312-linux_x86_64")
            found.append((Path(name) / "simple/foo/index.html").read_bytes())
    return found


def chosen(data: bytes) -> object:
    return choose(page.parse(data, "https://a.example/simple/foo/", "foo"), SpecifierSet(), "foo")


def made(data: bytes) -> object:
    """From METADATA to the text of the ebuild, which holds itself to its grammar."""
    said = metadata.parse(data, "foo")
    file = File("foo-1.0.tar.gz", "https://a.example/foo-1.0.tar.gz", "0" * 64)
    found = Candidate("foo", file, 1, "", "", "foo-1.0", False, False, backends.Build("setuptools"), b"", said)
    flags = {extra: extra for one in said.requirements for extra in one.extras}
    draft = candidates.draft(found, Terms(person=True), said.extras, lambda name: Provider(f"dev-python/{name}", flags=flags))
    return ebuild.text(draft), ebuild.package_xml(draft, "")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


TARGETS = (
    Target("pypi-page", pages, chosen, words=(b'"hashes"', b'"yanked": true', b"<a href=", b"1!0", b"[[[[[[[[")),
    Target("pypi-metadata", lambda: [METADATA], made, words=WORDS),
    Target("pypi-wheel", lambda: [archive({"foo-1.dist-info/METADATA": METADATA})], lambda data: wheel.metadata(data, "foo")),
    Target(
        "pypi-sdist",
        lambda: [tarball("foo-1.0", {"PKG-INFO": METADATA, "pyproject.toml": BACKENDS["flit"].encode()})],
        lambda data: sdist.read(io.BytesIO(data), "foo"),
    ),
    Target("pypi-pyproject", lambda: [one.encode() for one in BACKENDS.values()], lambda data: backends.build(data, "foo")),
    Target("pypi-lock", lambda: [b"# x\nfoo 1.0 sha256:" + b"a" * 64 + b"\n"], lambda data: lock.parse(_text(data), "x")),
    Target("pypi-names", lambda: [b"foo a/b\nx[y] a/b[c]\nnative z a/b\n"], lambda data: names.parse_names(_text(data), "x")),
    Target("pypi-kept", lambda: [KEPT], lambda data: read_kept(_text(data)), ()),
    Target(
        "license-mapping",
        lambda: [b"[spdx-to-ebuild]\nMIT = MIT\nGPL-2.0+ = GPL-2+\n"],
        lambda data: licences.of(_text(data)),
        (),
    ),
)
