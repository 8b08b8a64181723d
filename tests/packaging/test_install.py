"""pip install and pip uninstall, beside a real Portage: what was there before is there afterwards, byte for byte."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

from tests.testkit import environments
from tests.testkit.environments import CHECKOUT, Environment
from tests.testkit.roots import Root


def snapshot(directory: Path) -> dict[str, str]:
    """Every file below ``directory`` but bytecode, which Python writes by itself."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_uninstall_leaves_portage_byte_identical(plain: Environment, work: Path) -> None:
    target = work / "environment"
    shutil.copytree(plain.prefix, target, symlinks=True)
    python = target / "bin/python3"
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    before = snapshot(target)
    subprocess.run([*pip, "install", "--no-deps", str(environments.wheel())], check=True)
    during = snapshot(target)
    new = {name for name in during if name not in before}
    assert all(before[name] == during[name] for name in before)
    assert any(name.endswith("portage/sync/modules/portage_ext/__init__.py") for name in new)
    assert {name.split("/site-packages/")[1].split("/")[0] for name in new if "/site-packages/" in name} == {
        "portage", "portage_ext", "portage_ext-0.1.0.dist-info",
    }  # fmt: skip
    subprocess.run([*pip, "uninstall", "--yes", "portage-ext"], check=True)
    assert snapshot(target) == before


def test_wheel_has_every_package_of_the_checkout() -> None:
    with zipfile.ZipFile(environments.wheel()) as wheel:
        shipped = {name for name in wheel.namelist() if name.startswith("portage_ext/") and name.endswith(".py")}
    here = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "portage_ext").rglob("*.py")}
    assert shipped == here


def test_command_answers(client: Root) -> None:
    run = client.run("portage-ext", "--version").ok()
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    assert run.stdout == f"portage-ext {version}\n"
    assert f"\nreadonly VERSION={version}\n" in (CHECKOUT / "setup_hooks.sh").read_text()
