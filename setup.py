"""Everything is in pyproject.toml but the C modules, which may be missing: no compiler is needed to install portage-ext."""

from setuptools import Extension, setup


def optional(name: str) -> Extension:
    """A module of one file, for every Python from 3.11 on."""
    source = f"{name.replace('.', '/')}.c"
    return Extension(name, [source], extra_compile_args=["-O3"], py_limited_api=True, optional=True)


setup(
    ext_modules=[
        optional(f"portage_ext.{name}") for name in ("model._lanes", "gpkg._usual", "pkgdir._tree", "releases.pool._look")
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
