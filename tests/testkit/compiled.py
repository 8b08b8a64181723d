"""The C modules of portage_ext, compiled once from this checkout and kept below its cache."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import os
import subprocess
import sysconfig
from types import ModuleType

from tests.testkit.environments import CACHE, CHECKOUT, locked

SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g") if os.environ.get("SANITIZED") else ()
"""Every read beyond an end and every overflow ends the process (`make test-sanitized`)."""


def compiled(name: str) -> ModuleType:
    """A C module such as ``portage_ext.model._lanes`` as the wheel would have it; not what may be installed."""
    source = CHECKOUT / f"{name.replace('.', '/')}.c"
    stem = name.rpartition(".")[2].lstrip("_") + (".sanitized" if SANITIZED else "")
    built = CACHE / f"{stem}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}.abi3.so"
    with locked(stem):
        if not built.exists():
            for old in CACHE.glob(f"{stem}-*.abi3.so"):
                old.unlink()
            include = sysconfig.get_paths()["include"]
            partial = CACHE / f"{stem}.partial"
            command = ["gcc", "-shared", "-fPIC", "-O3", "-Wall", "-Wextra", "-Werror", *SANITIZED, f"-I{include}", str(source)]
            subprocess.run([*command, "-o", str(partial)], check=True)
            partial.rename(built)
    loader = importlib.machinery.ExtensionFileLoader(name, str(built))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
