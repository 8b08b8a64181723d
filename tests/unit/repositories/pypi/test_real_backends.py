"""[build-system] of real projects (facts of their pyproject.toml), and what follows: DISTUTILS_USE_PEP517, what it needs beside
what the eclass adds, whether it compiles; cargo is refused.

Of the 64 frozen projects, 14 are below, and 39 have ``pyproject`` and ``backend`` in real_projects.json. For these 39 it is
what one commit of the project's repository has, which need not be that of the frozen release (None: it has no such file). The
backends of the other 11 are not known.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portage_ext.errors.pypi import CargoError
from portage_ext.repositories.pypi.written import backends

REAL = [
    ("flask", "flit_core.buildapi", ["flit_core<4"], "flit", [], False),
    ("jinja2", "flit_core.buildapi", ["flit_core<4"], "flit", [], False),
    ("markdown-it-py", "flit_core.buildapi", ["flit_core >=3.4,<4"], "flit", [], False),
    ("requests", "setuptools.build_meta", ["setuptools>=61.0"], "setuptools", [], False),
    ("rich", "poetry.core.masonry.api", ["poetry-core>=1.0.0"], "poetry", [], False),
    ("jsonschema", "hatchling.build", ["hatchling", "hatch-vcs", "hatch-fancy-pypi-readme"], "hatchling",
     ["hatch-vcs", "hatch-fancy-pypi-readme"], False),
    ("pydantic", "hatchling.build", ["hatchling", "hatch-fancy-pypi-readme>=22.5.0"], "hatchling",
     ["hatch-fancy-pypi-readme"], False),
    ("python-dateutil", "setuptools.build_meta",
     ["setuptools; python_version != '3.3'", "setuptools<40.0; python_version == '3.3'", "wheel", "setuptools_scm<8.0"],
     "setuptools", ["setuptools_scm"], False),
    ("typeguard", "setuptools.build_meta", ["setuptools >= 64", "setuptools_scm[toml] >= 6.4"], "setuptools",
     ["setuptools_scm"], False),
    ("mypy", "setuptools.build_meta",
     ["setuptools >= 77.0.3", "typing_extensions>=4.6.0; python_version<'3.15'", "mypy_extensions>=1.0.0", "pathspec>=1.0.0",
      "librt>=0.9.0; platform_python_implementation != 'PyPy'", "types-psutil", "types-setuptools"], "setuptools",
     ["typing_extensions", "mypy_extensions", "pathspec", "librt", "types-psutil", "types-setuptools"], False),
    ("scipy", "mesonpy", ["meson-python>=0.15.0", "Cython>=3.0.8", "pybind11>=2.12.0", "pythran>=0.14.0", "numpy>=2.0.0rc1"],
     "meson-python", ["Cython", "pybind11", "pythran", "numpy"], True),
    ("cryptography", "maturin", ["maturin>=1.8.6,<2", "cffi>=1.14; platform_python_implementation != 'PyPy'"], None, [], True),
    ("libcst", None, ["setuptools", "wheel", "setuptools-rust"], None, [], True),
]  # fmt: skip


def table(backend: str | None, requires: list[str], more: str = "") -> bytes:
    line = f"build-backend = {json.dumps(backend)}\n" if backend else ""
    return f"[build-system]\nrequires = {json.dumps(requires)}\n{line}{more}".encode()


@pytest.mark.parametrize(
    ("project", "named", "requires", "backend", "others", "compiling"), REAL, ids=lambda one: str(one)[:20]
)
def test_a_real_project(
    project: str, named: str | None, requires: list[str], backend: str | None, others: list[str], compiling: bool
) -> None:
    if backend is None:
        with pytest.raises(CargoError):
            backends.build(table(named, requires), project)
        return
    found = backends.build(table(named, requires), project)
    assert found.backend == backend
    assert [one.name for one in found.requirements] == others
    assert found.compiling is compiling


def test_a_backend_in_the_archive_itself() -> None:
    """As pkgcore has it: what builds the archive lies in it."""
    said = table("py_build", ["flit_core >=3.8,<4", "snakeoil~=0.10.4"], 'backend-path = ["."]\n')
    found = backends.build(said, "pkgcore")
    assert found.backend == "standalone"
    assert [one.name for one in found.requirements] == ["flit_core", "snakeoil"]


FROZEN: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("real_projects.json").read_text())
KNOWN = sorted(name for name, said in FROZEN.items() if "backend" in said)


@pytest.mark.parametrize("name", KNOWN)
def test_a_frozen_project(name: str) -> None:
    lines, expected = FROZEN[name]["pyproject"], FROZEN[name]["backend"]
    pyproject = None if lines is None else "\n".join(lines).encode()
    if expected is None:
        with pytest.raises(CargoError):
            backends.build(pyproject, name)
    else:
        assert backends.build(pyproject, name).backend == expected


def test_most_frozen_projects_have_a_known_backend() -> None:
    known = {*KNOWN, *(one[0] for one in REAL), "pkgcore"}
    assert known <= FROZEN.keys()
    assert len(known) == 53
