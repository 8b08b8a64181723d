"""What is not proven to be missing is never refused, and what Portage is believed to keep it is asked about.

Systems of the pool (``tests.testkit.pool``): each package comes as a binary unless a test has it compiled.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portage_ext.model.contract import KEY, SymbolContract
from tests.testkit import pool as kit
from tests.testkit.chain import bashrc
from tests.testkit.pool import Pool, falls
from tests.testkit.roots import Root


@pytest.fixture(scope="session")
def pool() -> Pool:
    return kit.built()


@pytest.fixture
def system(work: Path, pool: Pool, portage: str) -> Callable[..., Root]:
    def make(*installed: str, name: str = "s", **more: Any) -> Root:
        return kit.system(work / name, pool, installed, version=portage, **more)

    return make


def plan(root: Root, *arguments: str) -> list[str]:
    return list(root.emerge("-p1k", *arguments).ok().plan())


def compiled(*names: str) -> tuple[str, ...]:
    return tuple(word for name in names for word in ("--usepkg-exclude", name))


@pytest.mark.parametrize(
    "program", ["=app-misc/ppriv-1", pytest.param("=app-misc/ppriv-2", marks=pytest.mark.slow)], ids=["RUNPATH", "ORIGIN"]
)
def test_library_in_a_directory_of_another_package(system: Callable[..., Root], program: str) -> None:
    """Both in one list, as media-libs/libpulse and media-sound/pulseaudio-daemon come."""
    root = system()
    assert plan(root, program, "=dev-libs/priv-2") == ["dev-libs/priv-2", program[1:]]
    root.emerge("-1k", program, "=dev-libs/priv-2").ok()
    assert falls(root) == []
    # Below /opt, by the second directory of the RUNPATH.
    if program.endswith("2"):
        root.emerge("-1k", "=dev-libs/priv-4").ok()
        assert falls(root) == []


def test_private_library_that_has_not_the_version_is_refused(system: Callable[..., Root]) -> None:
    root = system()
    run = root.emerge("-1k", "=app-misc/ppriv-2", "=dev-libs/priv-1").failed()
    assert "app-misc/ppriv-2 needs libpriv.so (P_2) [x86_64]" in run.stderr
    assert root.merged() == {}


@pytest.mark.slow
def test_private_library_that_moves_away_from_who_looks_there(system: Callable[..., Root]) -> None:
    """Portage preserves it, by RUNPATH; without preserve-libs the program would be broken."""
    for features in ("", "-preserve-libs"):
        root = system("dev-libs/priv-1", "app-misc/ppriv-1", name=f"s{features}", features=features)
        run = root.emerge("-1k", "=dev-libs/priv-4")
        assert (run.status == 0) is (features == ""), str(run)
        assert falls(root) == []


def test_contract_of_the_first_format_is_no_proof(system: Callable[..., Root], pool: Pool, work: Path) -> None:
    packages = work / "binpkgs"
    shutil.copytree(pool.pkgdir, packages, ignore=shutil.ignore_patterns("Packages.*"))
    index = packages / "Packages"
    lines = index.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith(f"{KEY}: 2 @"):
            lines[number] = ""
        elif line.startswith(f"{KEY}: 2"):
            lines[number] = line.replace(": 2", ": 1").partition(" @")[0]
    lines = [line for number, line in enumerate(lines) if line or not lines[number - 1].startswith("RDEPEND")]
    text = "\n".join(lines).replace(f"{KEY}: 2", f"{KEY}: 1")
    index.write_text(text + "\n")
    root = system()
    root.settings["PKGDIR"] = str(packages)
    root.write_settings()
    assert plan(root, "=app-misc/ppriv-2", "=dev-libs/priv-2") == ["dev-libs/priv-2", "app-misc/ppriv-2"]


@pytest.mark.slow
def test_library_that_only_a_script_leads_to(system: Callable[..., Root]) -> None:
    for name, installed in (("together", ()), ("after", ("dev-libs/wrap-1",))):
        root = system(*installed, name=name)
        root.emerge("-1k", "=app-misc/pwrap-1").ok()
        assert root.installed() == {"app-misc/pwrap-1", *(installed or ("dev-libs/wrap-2",))}
        assert falls(root) == []
    for command in (("-1k", "--nodeps", "=dev-libs/wrap-1"), ("--unmerge", "dev-libs/wrap")):
        root = system("dev-libs/wrap-2", "app-misc/pwrap-2", name=f"takes{len(command)}")
        assert "which app-misc/pwrap-2 needs" in root.emerge(*command).failed().text
    # Without its dependency it is missing: nobody is known to have it.
    root = system(name="without")
    assert "no such library is installed" in root.emerge("-1k", "--nodeps", "=app-misc/pwrap-1").failed().text


@pytest.mark.slow
def test_library_that_hides_the_one_that_a_program_needs(system: Callable[..., Root]) -> None:
    """Portage preserves the newer one, but RUNPATH leads to the directory of the older one first."""
    root = system("dev-libs/priv-4", "app-misc/ppriv-2")
    refused = root.emerge("-1k", "=dev-libs/priv-1").failed()
    assert "app-misc/ppriv-2 needs libpriv.so (P_2) [x86_64], but would find the libpriv.so of dev-libs/priv-1" in refused.text
    root.emerge("-1k", "=dev-libs/priv-2").ok()
    assert falls(root) == []


def test_library_of_a_dependency_where_runpath_does_not_lead(system: Callable[..., Root]) -> None:
    """It is not proven that nothing else leads there, so that emerge merges and warns; where RUNPATH leads, it is silent."""
    root = system("dev-libs/priv-4")
    warned = root.emerge("-1k", "--nodeps", "=app-misc/ppriv-1").ok()
    assert "app-misc/ppriv-1 needs libpriv.so (P_1) [x86_64]. It is in /opt/priv/lib, but app-misc/ppriv-1" in warned.text
    assert "emerge --oneshot --usepkg-exclude app-misc/ppriv =app-misc/ppriv-1" in warned.text
    assert "looks only in" not in root.emerge("-1k", "--nodeps", "=app-misc/ppriv-2").ok().text


@pytest.mark.slow
def test_compiled_provider_of_a_library_that_nobody_owns(system: Callable[..., Root]) -> None:
    """An older libown.so.1 lies there; dev-libs/own is to be compiled, whether a binary of it is known or not."""
    for sparse in (False, True):
        root = system(name=f"s{sparse}", ownerless=True, sparse=sparse)
        arguments = ("-1k", *compiled("dev-libs/own"), "app-misc/pown", "dev-libs/own")
        assert list(root.emerge("-p", *arguments).ok().plan()) == ["dev-libs/own-2", "app-misc/pown-1"]
        root.emerge(*arguments).ok()
        assert root.merged() == {"dev-libs/own-2": "ebuild", "app-misc/pown-1": "binary"}
        assert falls(root) == []


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [False, True], ids=["known", "never built"])
def test_library_that_moves_to_a_newly_compiled_package(system: Callable[..., Root], sparse: bool) -> None:
    """The old owner gives it up and the new one is slow: the program waits for both."""
    arguments = ("-1k", "--jobs", "4", *compiled("dev-libs/old", "dev-libs/new"))
    names = ("app-misc/pmove:0", "=app-misc/pmove-2", "=dev-libs/old-2", "=dev-libs/new-1")
    root = system("dev-libs/old-1", "app-misc/pmove-1", sparse=sparse)
    waits = f"for _ in {{1..4}}; do [[ -e ${{ROOT%/}}/var/db/pkg/{names[1][1:]} ]] && break; sleep 1; done"
    bashrc(root, f"if [[ ${{EBUILD_PHASE-}}${{PN}} == compilenew ]]; then {waits}; fi\n")
    root.emerge(*arguments, *names[1:]).ok()
    assert list(root.merged())[-1] == "app-misc/pmove-2"
    assert falls(root) == []


def test_library_that_portage_does_not_preserve(system: Callable[..., Root]) -> None:
    """Portage's map of libraries takes the path of an include for one of the host's, not of ROOT's: it knows no user then."""

    def quiet(root: Root) -> Root:
        (root.path / "etc/ld.so.conf.d").mkdir()
        (root.path / "etc/ld.so.conf.d/pool.conf").write_text("/lib64\n/usr/lib64\n")
        (root.path / "etc/env.d/00glibc").write_text('LDPATH="include /etc/ld.so.conf.d/pool*.conf"\n')
        (root.path / "etc/ld.so.conf").write_text("include /etc/ld.so.conf.d/pool*.conf\n")
        return root

    installed = ("dev-libs/ver-2", "app-misc/pver-2")
    plain = quiet(system(*installed, name="plain", plugin=False))
    plain.emerge("--unmerge", "dev-libs/ver").ok()
    assert [fall.owner for fall in falls(plain)] == ["app-misc/pver-2"]
    root = quiet(system(*installed))
    run = root.emerge("--unmerge", "dev-libs/ver").failed()
    assert "unmerging dev-libs/ver-2 would remove libver.so.1 (V_2) [x86_64], which app-misc/pver-2 needs" in run.text
    assert falls(root) == []
    # The same within a merge list.
    bumped = quiet(system("dev-libs/bump-1", "app-misc/pbump-1", name="bumped"))
    assert "which app-misc/pbump-1 needs" in bumped.emerge("-1k", "=dev-libs/bump-2").failed().text
    # Where it does look, it does keep it.
    kept = system(*installed, name="kept")
    kept.emerge("--unmerge", "dev-libs/ver").ok()
    assert falls(kept) == []


def test_library_whose_directory_goes_with_the_package(system: Callable[..., Root]) -> None:
    """Portage preserves the file; the line of env.d that leads the loader to it is unmerged."""
    plain = system("dev-libs/ld-1", "app-misc/pld-1", name="plain", plugin=False)
    plain.emerge("--unmerge", "dev-libs/ld").ok()
    assert [fall.owner for fall in falls(plain)] == ["app-misc/pld-1"]
    root = system("dev-libs/ld-1", "app-misc/pld-1")
    assert "which app-misc/pld-1 needs" in root.emerge("--unmerge", "dev-libs/ld").failed().text
    assert falls(root) == []


def test_nodeps_breaks_no_installed_program_either(system: Callable[..., Root]) -> None:
    root = system("dev-libs/ver-2", "app-misc/pver-2")
    run = root.emerge("-1k", "--nodeps", "=dev-libs/ver-1").failed()
    assert "dev-libs/ver-1 would remove libver.so.1 (V_2) [x86_64], which app-misc/pver-2 needs" in run.text
    assert falls(root) == []


def test_private_library_below_an_offset_prefix(work: Path, pool: Pool) -> None:
    """Recorded below one prefix, it is found below another: Portage moves the package, and the contract is read there."""
    library = ("x86_64", "libpriv.so")
    contract = SymbolContract((), {}, {}, {("/a/usr/lib64/priv", library): frozenset()})
    line = str(contract.portable("/a"))
    assert dict(SymbolContract.parse(line).placed(str(work)).private or {}) == {
        (f"{work}/usr/lib64/priv", library): frozenset()
    }
