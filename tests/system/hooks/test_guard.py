"""The phase hooks as bash sees them: free where they have nothing to do, and deaf to what a package brings along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portage_ext.hooks.phase import given_environment
from tests.testkit.environments import CHECKOUT
from tests.unit.elf.objects import library, program

LOADER = CHECKOUT / "bashrc.d/portage-ext.bashrc"


def phase(work: Path, phase: str = "preinst", **more: str) -> subprocess.CompletedProcess[str]:
    """Source the loader as ebuild.sh does, with ``die`` and ``ewarn`` that only speak."""
    script = f"""
    die() {{ echo "die: $*"; exit 1; }}
    ewarn() {{ echo "ewarn: $*"; }}
    {more.pop("before", "")}
    source '{LOADER}' || exit 9
    echo end
    """
    environment = {
        "PATH": "" if phase == "depend" else os.environ["PATH"],
        "EBUILD_PHASE": phase,
        "MERGE_TYPE": "binary",
        "D": str(work / "image"),
        "ROOT": str(work / "root"),
        "EPREFIX": "",
        "PORTAGE_BUILDDIR": str(work),
        "PORTAGE_CONFIGROOT": str(work),
        "CATEGORY": "app-misc",
        "PN": "tool",
        "PF": "tool-1",
        "PORTAGE_PYTHON": sys.executable,
        "PORTAGE_PYTHONPATH": str(CHECKOUT),
        **more,
    }
    return subprocess.run(["/bin/bash", "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def broken(work: Path) -> Path:
    """An image with a program that needs V_2, and a root that has V_1."""
    lib = library(work / "libv.so.1", ["V_1", "V_2"])
    program(work / "image/usr/bin/tool", [1], str(lib), "-nostdlib", "-nostartfiles")
    library(work / "root/lib64/libc.so.6", [])
    library(work / "root/usr/lib64/libv.so.1", ["V_1"])
    return work


def test_depend_phase_runs_no_command_and_every_other_phase_passes(broken: Path) -> None:
    for name in ("depend", "setup", "unpack", "compile", "postinst", "clean", ""):
        run = phase(broken, name)
        assert (run.stdout, run.stderr, run.returncode) == ("end\n", "", 0), name


def test_proven_break_dies_before_the_merge_with_the_words_of_the_plan_check(broken: Path) -> None:
    run = phase(broken)
    assert run.stdout == "die: portage-ext: app-misc/tool-1 would not run on this system; nothing of it was merged\n"
    assert "app-misc/tool-1 needs libv.so.1 (V_2) [x86_64], but the installed library does not provide it" in run.stderr
    assert "emerge --oneshot --usepkg-exclude app-misc/tool =app-misc/tool-1" in run.stderr


def test_image_that_the_system_meets_passes_in_silence(broken: Path) -> None:
    library(broken / "root/usr/lib64/libv.so.1", ["V_1", "V_2"])
    run = phase(broken)
    assert (run.stdout, run.stderr) == ("end\n", "")


def test_package_built_from_source_is_not_looked_at(broken: Path) -> None:
    assert phase(broken, MERGE_TYPE="source").stdout == "end\n"


@pytest.mark.parametrize(("mode", "dies"), [("enforce", True), ("order", False), ("warn", False), ("off", False)])
def test_setting_of_the_run(broken: Path, mode: str, dies: bool) -> None:
    run = phase(broken, PORTAGE_EXT_TOOLCHAIN=mode)
    assert ("die" in run.stdout) is dies
    assert ("V_2" in run.stderr) is (mode != "off")


def test_environment_that_the_package_brings_switches_nothing_off(broken: Path) -> None:
    run = phase(broken, before="export PORTAGE_EXT_TOOLCHAIN=off")
    assert "die" in run.stdout


def test_guard_that_fails_warns_and_lets_the_merge_go_on(broken: Path) -> None:
    run = phase(broken, PORTAGE_PYTHONPATH="/nonexistent", PORTAGE_PYTHON=str(Path("/usr/bin/python3").resolve()))
    assert "ewarn: portage-ext: the guard could not check app-misc/tool-1" in run.stdout
    assert run.stdout.endswith("end\n")


def test_module_in_the_working_directory_is_never_loaded(broken: Path) -> None:
    evil = broken / "portage_ext"
    evil.mkdir()
    (evil / "__init__.py").write_text("print('evil')\n")
    run = phase(broken, before=f"cd {broken}")
    assert "evil" not in run.stdout


def test_given_environment_is_the_one_of_the_start() -> None:
    script = "import os, sys; os.environ['A'] = 'changed'; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], env={"A": "given"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert given_environment(process.pid)["A"] == "given"
        process.communicate()


def test_shell_files_are_clean() -> None:
    files = sorted(str(path) for path in (CHECKOUT / "bashrc.d").iterdir())
    done = subprocess.run(["shellcheck", "-x", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
