"""pip install and pip uninstall, beside a real Portage: what was there before is there afterwards, byte for byte."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

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
    assert {name for name in new if name.startswith("share/")} == {f"share/{name}" for name in shared()}
    subprocess.run([*pip, "uninstall", "--yes", "portage-ext"], check=True)
    assert snapshot(target) == before
    assert not (target / "share/portage-ext").exists()


def shared() -> dict[str, Path]:
    """Where the manual and the parts of the installer go below share, and where they lie in the checkout."""
    directories = ("bashrc.d", "etc", "setup.d")
    parts = [
        CHECKOUT / "setup_hooks.sh",
        *(one for name in directories for one in (CHECKOUT / name).rglob("*") if one.is_file()),
    ]
    manual = {"man/man1/portage-ext.1": CHECKOUT / "man/portage-ext.1"}
    return manual | {f"portage-ext/{one.relative_to(CHECKOUT)}": one for one in parts}


def test_wheel_has_the_manual_and_all_that_the_installer_lays_out(plain: Environment) -> None:
    share = environments.environment(plain.version).prefix / "share"
    for name, here in shared().items():
        assert (share / name).read_bytes() == here.read_bytes(), name
        assert os.access(share / name, os.X_OK) == os.access(here, os.X_OK), name


def test_installer_of_the_wheel_does_what_that_of_the_checkout_does(client: Root) -> None:
    words = ("--role", "both", "--binhost", "http://127.0.0.1:9/production", "--root", str(client.path), "--dry-run", "--timer")
    for timer in ("systemd", "cron"):
        scripts = (client.environment.prefix / "share/portage-ext/setup_hooks.sh", CHECKOUT / "setup_hooks.sh")
        installed, checkout = (client.run(str(script), *words, timer).ok() for script in scripts)
        assert installed.stdout == checkout.stdout
        assert f"create   {client.path}/etc/portage/portage-ext.toml" in installed.stdout


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


@pytest.mark.slow
def test_no_compiler_is_needed(work: Path) -> None:
    environments.wheel()
    source = work / "source"
    source.mkdir()
    for name in environments.WHEEL_DIRECTORIES:
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in environments.WHEEL_FILES:
        shutil.copy(CHECKOUT / name, source)
    python = environments.CACHE / "builder/bin/python3"
    command = [python, *environments.PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", work / "dist", source]
    subprocess.run(command, env={**os.environ, "CC": "false"}, check=True)
    with zipfile.ZipFile(next((work / "dist").glob("*.whl"))) as wheel:
        assert not [name for name in wheel.namelist() if name.endswith(".so")]
        assert "portage_ext/model/digest.py" in wheel.namelist()
