"""DISTUTILS_USE_PEP517 is taken from [build-system] in pyproject.toml of the source archive, which names the build backend.

Without this table, the backend is setuptools (PEP 517, "source trees without pyproject.toml"). A backend in the archive itself
is "standalone" for distutils-r1.eclass.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement

from portage_ext.errors.pypi import CargoError, InvalidMetadataError, InvalidNameError, UnknownBackendError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi.names import normalised

_BACKENDS: Final[Mapping[str, str]] = {
    "flit_core.buildapi": "flit", "flit.buildapi": "flit", "flit_scm:buildapi": "flit_scm", "hatchling.build": "hatchling",
    "jupyter_packaging.build_api": "jupyter", "maturin": "maturin", "mesonpy": "meson-python", "pbr.build": "pbr",
    "pdm.backend": "pdm-backend", "pdm.pep517.api": "pdm-backend", "poetry.core.masonry.api": "poetry",
    "poetry.masonry.api": "poetry", "scikit_build_core.build": "scikit-build-core",
    "scikit_build_core.setuptools.build_meta": "scikit-build-core", "setuptools.build_meta": "setuptools",
    "setuptools.build_meta:__legacy__": "setuptools", "sipbuild.api": "sip", "uv_build": "uv-build",
}  # fmt: skip
"""The value for distutils-r1.eclass by build-backend."""
_BROUGHT: Final[Mapping[str, frozenset[str]]] = {
    "flit": frozenset({"flit-core", "flit"}), "flit_scm": frozenset({"flit-core", "flit-scm"}),
    "hatchling": frozenset({"hatchling"}), "jupyter": frozenset({"jupyter-packaging"}),
    "meson-python": frozenset({"meson-python"}),
    "pbr": frozenset({"pbr"}), "pdm-backend": frozenset({"pdm-backend", "pdm-pep517"}),
    "poetry": frozenset({"poetry-core", "poetry"}), "scikit-build-core": frozenset({"scikit-build-core"}),
    "sip": frozenset({"sip"}), "uv-build": frozenset({"uv-build"}),
}  # fmt: skip
"""Build dependencies that the eclass adds itself, by backend. It adds setuptools and wheel for all of them."""
_RUST: Final = frozenset({"maturin", "setuptools-rust"})
COMPILING: Final = frozenset({"meson-python", "scikit-build-core", "sip"})
"""Backends whose purpose is to compile native code."""
_COMPILERS: Final = frozenset({"cffi", "cython", "numpy", "pybind11", "nanobind", "scikit-build", "cmake", "ninja"})
"""Build dependencies that show that a project has native code."""


@dataclass(frozen=True, slots=True)
class Build:
    """``backend`` is the value of DISTUTILS_USE_PEP517; ``requirements`` are build dependencies that the eclass does not add;
    ``compiling`` is True if these show that the project has native code."""

    backend: str
    requirements: tuple[Requirement, ...] = ()
    compiling: bool = False


def build(pyproject: bytes | None, project: str) -> Build:
    """How a source archive with this pyproject.toml (None: it has none) is built.

    Raises CargoError, InvalidMetadataError, UnknownBackendError.
    """
    if pyproject is None:
        return Build("setuptools")
    table = _table(pyproject, project)
    if table is None:
        return Build("setuptools")
    requirements = _requirements(table.get("requires", []), project)
    named = table.get("build-backend", "setuptools.build_meta:__legacy__")
    if not isinstance(named, str):
        raise InvalidMetadataError(project, "build-backend in pyproject.toml is no text")
    backend = "standalone" if table.get("backend-path") else _BACKENDS.get(named.replace(" ", ""))
    if backend is None:
        raise UnknownBackendError(project, named)
    needed = {normalised(one.name) for one in requirements}
    if backend == "maturin" or needed & _RUST:
        raise CargoError(project)
    brought = _BROUGHT.get(backend, frozenset()) | (frozenset() if backend == "standalone" else {"setuptools", "wheel"})
    others = tuple(one for one in requirements if normalised(one.name) not in brought)
    return Build(backend, others, backend in COMPILING or bool(needed & _COMPILERS))


def _table(pyproject: bytes, project: str) -> dict[str, object] | None:
    if len(pyproject) > limits.PYPI_PYPROJECT:
        raise InvalidMetadataError(project, f"its pyproject.toml has more than {limits.PYPI_PYPROJECT} bytes")
    try:
        table = tomllib.loads(pyproject.decode("utf-8")).get("build-system")
    except (ValueError, RecursionError) as error:
        raise InvalidMetadataError(project, "its pyproject.toml is no TOML") from error
    if table is not None and not isinstance(table, dict):
        raise InvalidMetadataError(project, "[build-system] in pyproject.toml is no table")
    return table


def _requirements(values: object, project: str) -> tuple[Requirement, ...]:
    if not isinstance(values, list) or len(values) > limits.PYPI_REQUIREMENTS:
        raise InvalidMetadataError(project, "requires in pyproject.toml is no list")
    found = []
    for one in values:
        try:
            if not isinstance(one, str) or len(one) > limits.PYPI_REQUIREMENT:
                raise InvalidRequirement("no text of a useful length")
            found.append(Requirement(one))
            normalised(found[-1].name)
        except (InvalidRequirement, InvalidNameError, RecursionError, ValueError) as error:
            raise InvalidMetadataError(
                project, f"a build dependency in pyproject.toml cannot be read: {str(one)[:80]!r}"
            ) from error
    return tuple(found)
