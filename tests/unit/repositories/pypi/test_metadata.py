"""METADATA as a value; licence, backend and dependencies that follow from it."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from portage_ext.errors.pypi import CargoError, InvalidMetadataError, UnknownBackendError, UnknownLicenceError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi.published import metadata
from portage_ext.repositories.pypi.written import backends, licences, requirements, targets
from portage_ext.repositories.pypi.written.dependencies import Provider, lines

TARGETS = ("python3_11", "python3_12", "python3_13")


def _metadata(*fields: str) -> metadata.CoreMetadata:
    text = "\n".join(("Metadata-Version: 2.4", "Name: Foo", "Version: 1.0", *fields)) + "\n\nThe description: is no field\n"
    return metadata.parse(text.encode(), "foo")


def test_fields() -> None:
    found = _metadata(
        "Home-page: UNKNOWN", "Project-URL: Source, https://a/b,c", "Summary: one", "Requires-Dist: a>=1", "Provides-Extra: X_y"
    )
    assert (found.name, str(found.version), found.summary, found.extras) == ("Foo", "1.0", "one", {"x-y"})
    assert found.urls == (("Source", "https://a/b,c"),)
    assert found.requirements == (Requirement("a>=1"),)
    assert found.fixed
    assert not _metadata("Dynamic: Requires-Dist").fixed
    assert not metadata.parse(b"Metadata-Version: 2.1\nName: foo\nVersion: 1\n", "foo").fixed


@pytest.mark.parametrize(
    "field",
    [
        "Name: other", "Version: 2", "Requires-Dist: $(id)", "Requires-Dist: a; " + "(" * 900, "Requires-Python: sometimes",
        "Summary: " + "x" * 20_000, "no field", "Requires-Dist: " + "a" * 3000,
        "License-Expression: MIT\nLicense-Expression: ISC",
    ],
)  # fmt: skip
def test_metadata_that_is_refused(field: str) -> None:
    with pytest.raises(InvalidMetadataError):
        _metadata(field)


def test_bounds_of_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("PYPI_METADATA", "PYPI_HEADERS", "PYPI_REQUIREMENTS"):
        with monkeypatch.context() as patch:
            patch.setattr(limits, bound, 1)
            with pytest.raises(InvalidMetadataError):
                _metadata("Requires-Dist: a", "Requires-Dist: b")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["License-Expression: MIT"], "MIT"),
        (["License-Expression: mit or apache-2.0"], "|| ( MIT Apache-2.0 )"),
        (["License-Expression: MIT AND (BSD-3-Clause OR GPL-2.0-or-later)"], "MIT || ( BSD GPL-2+ )"),
        (["License-Expression: MIT AND BSD-3-Clause OR ISC"], "|| ( ( MIT BSD ) ISC )"),
        (["License-Expression: Apache-2.0 WITH LLVM-exception"], "Apache-2.0-with-LLVM-exceptions"),
        (["License: MIT"], "MIT"),
        (["License: Apache License 2.0"], "Apache-2.0"),
        (["License: BSD-3-Clause", "Classifier: License :: OSI Approved :: BSD License"], "BSD"),
        (["License: " + "The whole text\n        of it " * 99, "Classifier: License :: OSI Approved :: MIT License"], "MIT"),
        (["Classifier: License :: OSI Approved", "Classifier: License :: OSI Approved :: ISC License (ISCL)"], "ISC"),
    ],
)  # fmt: skip
def test_licences(fields: list[str], expected: str) -> None:
    assert licences.licence(_metadata(*fields), licences.BUILT_IN).words == expected


def test_a_vague_licence_is_told() -> None:
    found = licences.licence(_metadata("Classifier: License :: OSI Approved :: BSD License"), licences.BUILT_IN)
    assert (found.words, found.note) == ("BSD", "the project says only 'BSD License'; read its licence")


@pytest.mark.parametrize(
    "fields",
    [
        [], ["License: mine"], ["License-Expression: LicenseRef-Proprietary"], ["License-Expression: MIT AND $(id)"],
        ["Classifier: License :: Other/Proprietary License"], ["License-Expression: " + "(" * 500 + "MIT" + ")" * 500],
    ],
)  # fmt: skip
def test_licences_that_are_unknown(fields: list[str]) -> None:
    with pytest.raises(UnknownLicenceError):
        licences.licence(_metadata(*fields), licences.BUILT_IN)


def test_the_mapping_of_the_repository_wins() -> None:
    mapping = licences.of("[other]\nISC = no\n[spdx-to-ebuild]\n# a comment\nMIT = MIT-here\nGPL-2.0 = GPL-2\nISC = $(id)\n")
    assert mapping == {"mit": "MIT-here", "gpl-2.0": "GPL-2"}
    assert licences.licence(_metadata("License-Expression: MIT OR GPL-2.0+"), mapping).words == "|| ( MIT-here GPL-2 )"
    assert licences.of(None) == licences.BUILT_IN


@pytest.mark.parametrize(
    ("text", "backend", "needs"),
    [
        (None, "setuptools", []),
        ("[tool.x]\n", "setuptools", []),
        ('[build-system]\nrequires=["setuptools","wheel","setuptools-scm>=8"]\n', "setuptools", ["setuptools-scm>=8"]),
        ('[build-system]\nrequires=["hatchling","hatch-vcs"]\nbuild-backend="hatchling.build"\n', "hatchling", ["hatch-vcs"]),
        ('[build-system]\nrequires=["flit_core"]\nbuild-backend="flit_core.buildapi"\n', "flit", []),
        ('[build-system]\nrequires=["x"]\nbuild-backend="own"\nbackend-path=["."]\n', "standalone", ["x"]),
    ],
)  # fmt: skip
def test_backends(text: str | None, backend: str, needs: list[str]) -> None:
    found = backends.build(text.encode() if text is not None else None, "foo")
    assert (found.backend, [str(one) for one in found.requirements]) == (backend, needs)


def test_backends_that_are_refused() -> None:
    cargo = ('requires=["maturin"]\nbuild-backend="maturin"', 'requires=["setuptools","setuptools-rust"]')
    for text in cargo:
        with pytest.raises(CargoError):
            backends.build(f"[build-system]\n{text}\n".encode(), "foo")
    with pytest.raises(UnknownBackendError, match=r"own\.backend"):
        backends.build(b'[build-system]\nrequires=[]\nbuild-backend="own.backend"\n', "foo")
    for broken in (
        b"\xff",
        b"[" * 5000,
        b"build-system=1",
        b"[build-system]\nrequires=1",
        b'[build-system]\nrequires=["$(id)"]',
    ):
        with pytest.raises(InvalidMetadataError):
            backends.build(broken, "foo")
    assert backends.build(b'[build-system]\nrequires=["setuptools","Cython"]\n', "foo").compiling


def _lines(*texts: str, extras: tuple[str, ...] = ()) -> list[str]:
    found = requirements.needs([Requirement(one) for one in texts], TARGETS, extras, "foo")
    return [one.strip() for one in lines(found.needs, TARGETS, lambda name: Provider(f"dev-python/{name}", flags={"x": "x"}))]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (['a; sys_platform == "win32"', 'b; sys_platform == "linux"', 'c; os_name != "nt"'], ["dev-python/b[U]",
        "dev-python/c[U]"]),
        (['a; python_version < "3.12"'], ["$(python_gen_cond_dep '", "dev-python/a[U]", "' 3.11)"]),
        (['a; python_version in "3.11 3.13"'], ["$(python_gen_cond_dep '", "dev-python/a[U]", "' 3.11 3.13)"]),
        (['a; python_version < "3"'], []),
        (['a; python_full_version < "3.11.4"'], ["$(python_gen_cond_dep '", "dev-python/a[U]", "' 3.11)"]),
        (['a; implementation_name == "pypy"', 'b; extra == "all"'], []),
        (['a; platform_machine == "x86_64"'], ["dev-python/a[U]"]),
        (['a[x]>=2'], [">=dev-python/a-2[x,U]"]),
        (['a>=1; python_version<"3.12"', 'a>=2; python_version>="3.12"'],
         ["$(python_gen_cond_dep '", ">=dev-python/a-1[U]", "' 3.11)", "$(python_gen_cond_dep '", ">=dev-python/a-2[U]",
         "' 3.12 3.13)"]),
    ],
)  # fmt: skip
def test_conditions(texts: list[str], expected: list[str]) -> None:
    assert [one.replace("${PYTHON_USEDEP}", "U") for one in _lines(*texts)] == expected


def test_extras_that_were_asked_for() -> None:
    texts = (
        'a; extra == "one"',
        'b; extra == "two" and python_version < "3.12"',
        'foo[one,two]; extra == "all"',
        'c; extra == "never"',
        "d",
    )
    said = [one.replace("${PYTHON_USEDEP}", "U") for one in _lines(*texts, extras=("all", "one"))]
    condition = ["$(python_gen_cond_dep '", "dev-python/b[U]", "' 3.11)"]
    assert said == ["dev-python/d[U]", "all? (", "dev-python/a[U]", *condition, ")", "one? (", "dev-python/a[U]", ")"]


def test_dependencies_that_no_ebuild_can_have() -> None:
    for text in ("a @ https://a.example/a.whl", 'a; python_version > "x" and nonsense == "1"'):
        with pytest.raises((InvalidMetadataError, ValueError)):
            _lines(text)


def test_a_marker_of_the_machine_is_told() -> None:
    found = requirements.needs([Requirement('a; platform_machine == "x86_64"')], TARGETS, (), "foo")
    assert "depends on the machine" in found.notes[0]


def test_pythons() -> None:
    eclass = "_PYTHON_ALL_IMPLS=(\n\tpypy3_11\n\tpython3_{13..14}t\n\tpython3_{11..14}\n)\n"
    known = targets.known(eclass)
    assert known == ("python3_11", "python3_12", "python3_13", "python3_14")
    assert targets.known("") == targets.DEFAULT
    assert targets.known("_PYTHON_ALL_IMPLS=( python3_{9,12} python3_{1..999} )")[-1] == "python3_51"
    fit = targets.compatible(known, _metadata("Requires-Python: >=3.12,!=3.13.*").requires_python)
    assert fit == ("python3_12", "python3_14")
    assert targets.words(fit) == "python3_12 python3_14"
    assert targets.words(known) == "python3_{11..14}"
    assert targets.unnamed(known, ["Programming Language :: Python :: 3", "Programming Language :: Python :: 3.12"]) == (
        "python3_11", "python3_13", "python3_14",
    )  # fmt: skip
    assert targets.unnamed(known, ["Programming Language :: Python :: 3"]) == ()
    assert targets.compatible(known, _metadata("Requires-Python: >=3.11.5").requires_python)[0] == "python3_11"
