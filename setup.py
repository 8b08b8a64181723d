"""Everything is in pyproject.toml but the C module, which may be missing: no compiler is needed to install portage-ext."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "portage_ext.model._lanes",
            ["portage_ext/model/_lanes.c"],
            extra_compile_args=["-O3"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
