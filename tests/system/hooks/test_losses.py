"""What a package built from source takes from installed ones is told before the merge, in the phase as bash sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from portage_ext.model.contract import KEY
from tests.system.hooks.test_guard import phase
from tests.testkit import pool
from tests.unit.elf.objects import library

BOTH, ONE = "libv.so.1:V_1,V_2", "libv.so.1:V_1"


def recorded(entry: Path, contract: str, needed: str = "") -> None:
    entry.mkdir(parents=True)
    (entry / KEY).write_text(f"{contract}\n")
    (entry / "NEEDED.ELF.2").write_text(needed)


@pytest.fixture
def host(work: Path) -> Path:
    """A root with libv.so.1 of app-misc/tool-0, which has V_2, and one program that needs it; the image has no V_2."""
    library(work / "root/lib64/libc.so.6", [])
    library(work / "root/usr/lib64/libv.so.1", ["V_1", "V_2"])
    library(work / "image/usr/lib64/libv.so.1", ["V_1"])
    vdb = work / "root/var/db/pkg"
    recorded(vdb / "app-misc/tool-0", f"1 < x86_64 {BOTH}", "x86_64;/usr/lib64/libv.so.1;libv.so.1;;libc.so.6;x86_64\n")
    recorded(vdb / "app-misc/old-1", "1 > x86_64 libv.so.1:V_1")
    recorded(vdb / "app-misc/new-1", "1 > x86_64 libv.so.1:V_2")
    return work


def merge(host: Path, contract: str | None = f"1 < x86_64 {ONE}", **more: str) -> subprocess.CompletedProcess[str]:
    (host / "build-info").mkdir(exist_ok=True)
    (host / f"build-info/{KEY}").unlink(missing_ok=True)
    if contract is not None:
        (host / f"build-info/{KEY}").write_text(f"{contract}\n")
    variables = {"MERGE_TYPE": "source", "REPLACING_VERSIONS": "0", "EROOT": f"{host}/root", **more}
    return phase(host, **variables)


def test_versions_that_go_are_told_with_who_needs_them(host: Path) -> None:
    run = merge(host, FEATURES="preserve-libs")
    assert run.stdout.splitlines() == [
        "ewarn: portage-ext: app-misc/tool-1 removes symbols that installed packages need. Rebuild these if this run does not:",
        "ewarn:     app-misc/new-1 needs libv.so.1 (V_2) [x86_64]",
        "ewarn:     emerge --oneshot =app-misc/new-1",
        "end",
    ]
    assert run.stderr == ""


def test_library_that_goes_is_told_unless_it_is_preserved(host: Path) -> None:
    gone = merge(host, "1 < x86_64 libv.so.2").stdout
    assert "old-1 needs libv.so.1 (V_1)" in gone
    assert "new-1 needs libv.so.1 (V_2)" in gone
    # Portage does not look for users of what lies where neither ld.so.conf nor RUNPATH leads.
    assert merge(host, "1 < x86_64 libv.so.2", FEATURES="preserve-libs").stdout == gone
    (host / "root/etc").mkdir()
    (host / "root/etc/ld.so.conf").write_text("/usr/lib64\n")
    assert merge(host, "1 < x86_64 libv.so.2", FEATURES="preserve-libs").stdout == "end\n"


def test_image_that_nobody_has_recorded_is_looked_at(host: Path) -> None:
    told = merge(host, None)
    assert told.stdout == merge(host).stdout
    assert "new-1 needs libv.so.1 (V_2)" in told.stdout


@pytest.mark.parametrize(
    "contract",
    [
        f"1 < x86_64 {BOTH}",
        f"1 > x86_64 libc.so.6 / x86_64 /opt < x86_32 libw.so.1 < x86_64 liba.so {BOTH} libz.so.1:Z",
        "1 < x86_64 libv.so.1:V_1,V_2,V_3",
        "1 < x86_64 libv.so.1",
    ],
)
def test_nothing_that_anybody_needs_goes(host: Path, contract: str) -> None:
    assert merge(host, contract).stdout == "end\n"


def test_no_program_is_started_when_everything_stays(host: Path) -> None:
    nothing = {"PORTAGE_PYTHON": "/nonexistent"}
    assert merge(host, f"1 < x86_32 libw.so.1 < x86_64 liba.so {BOTH}", **nothing).stdout == "end\n"
    assert merge(host, REPLACING_VERSIONS="", **nothing).stdout == "end\n"
    assert merge(host, REPLACING_VERSIONS="9", **nothing).stdout == "end\n"  # has no contract
    assert merge(host, PORTAGE_EXT_TOOLCHAIN="off", **nothing).stdout == "end\n"
    other = f"1 < x86_32 {BOTH} < x86_64 {ONE}"
    assert "needs what app-misc/tool-1 removes; the merge goes on" in merge(host, other, **nothing).stdout


def test_configuration_that_says_off_is_heard(host: Path) -> None:
    (host / "etc/portage").mkdir(parents=True)
    (host / "etc/portage/portage-ext.toml").write_text('toolchain = "off"\n')
    assert merge(host).stdout == "end\n"


def test_program_that_does_not_run_today_or_finds_another_copy_loses_nothing(host: Path) -> None:
    library(host / "root/usr/lib64/libv.so.1", ["V_1"])
    assert merge(host).stdout == "end\n"
    library(host / "root/usr/lib64/libv.so.1", ["V_1", "V_2"])
    library(host / "root/usr/lib/libv.so.1", ["V_1", "V_2"])
    assert merge(host).stdout == "end\n"


def test_private_library_that_a_compiled_package_takes_away(work: Path) -> None:
    """Where only a script leads to it: Portage keeps nothing for it, and emerge says so before it merges."""
    root = pool.system(work, pool.built(), ("dev-libs/wrap-2", "app-misc/pwrap-2"))
    run = root.emerge("-1", "--nodeps", "=dev-libs/wrap-1").ok()
    assert root.merged() == {"dev-libs/wrap-1": "ebuild"}
    assert [fall.owner for fall in pool.falls(root)] == ["app-misc/pwrap-2"]
    assert "portage-ext: dev-libs/wrap-1 removes symbols that installed packages need." in run.text
    assert "app-misc/pwrap-2 needs libwrap.so (W_2) [x86_64]" in run.text
    assert "emerge --oneshot =app-misc/pwrap-2" in run.text
    assert "removes symbols" not in root.emerge("-1", "--nodeps", "=dev-libs/wrap-2").ok().text


def test_private_libraries_are_compared_before_a_program_is_started(host: Path) -> None:
    entry = host / f"root/var/db/pkg/app-misc/tool-0/{KEY}"
    group = "@ x86_64 /opt/a@b liba.so:A libp.so:P_1,P_2"
    entry.write_text(f"2 / x86_64 /opt/p {group} < x86_64 {BOTH}\n")
    nothing = {"PORTAGE_PYTHON": "/nonexistent"}
    same = f"2 > x86_64 libc.so.6 / x86_64 /opt/p @ x86_64 /opt/z libz.so {group} libq.so < x86_64 {BOTH}"
    assert merge(host, same, **nothing).stdout == "end\n"
    for gone in (same.replace("P_1,P_2", "P_1"), same.replace("/opt/a@b", "/opt/b"), f"2 < x86_64 {BOTH}", same[:-4]):
        assert "needs what app-misc/tool-1 removes; the merge goes on" in merge(host, gone, **nothing).stdout, gone
