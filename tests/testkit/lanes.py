"""The C module of portage_ext.model, compiled once from this checkout and kept below its cache."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import subprocess
import sysconfig
from types import ModuleType

from tests.testkit.environments import CACHE, CHECKOUT, locked

SOURCE = CHECKOUT / "portage_ext/model/_lanes.c"
NAME = "portage_ext.model._lanes"


def compiled() -> ModuleType:
    """The module, as the wheel would have it; not the one that may be installed."""
    built = CACHE / f"lanes-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.abi3.so"
    with locked("lanes"):
        if not built.exists():
            for old in CACHE.glob("lanes-*.abi3.so"):
                old.unlink()
            include = sysconfig.get_paths()["include"]
            partial = CACHE / "lanes.partial"
            command = ["gcc", "-shared", "-fPIC", "-O3", "-Wall", "-Wextra", "-Werror", f"-I{include}", str(SOURCE)]
            subprocess.run([*command, "-o", str(partial)], check=True)
            partial.rename(built)
    loader = importlib.machinery.ExtensionFileLoader(NAME, str(built))
    spec = importlib.util.spec_from_loader(NAME, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
