from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from portage_ext.elf.system import System
from portage_ext.elf.tree import read_image
from portage_ext.model.contract import Need, SymbolContract
from tests.unit.elf.objects import compile_c, library, program


def needs(contract: SymbolContract) -> dict[str, frozenset[str]]:
    """The needs without those of this machine's C library."""
    return {need.soname: need.versions for need in contract.needs if need.soname not in ("libc.so.6", "libm.so.6")}


def test_contract_of_an_image(work: Path) -> None:
    outside = library(work / "libout.so.1", ["OUT_1", "OUT_2"])
    image = work / "image"
    inside = library(image / "usr/lib64/libin.so.1", ["IN_1"])
    program(image / "usr/bin/tool", [1], str(outside))
    program(image / "usr/bin/own", [0], str(inside))
    contract = read_image(image).contract()
    assert needs(contract) == {"libout.so.1": {"OUT_2"}}
    assert contract.defines == {("x86_64", "libin.so.1"): {"IN_1"}}


def test_private_library_is_neither_needed_nor_defined(work: Path) -> None:
    image = work / "image"
    private = library(image / "usr/lib64/app/libprivate.so.1", ["P_1"])
    program(image / "usr/bin/app", [0], str(private), "-Wl,-rpath,$ORIGIN/../lib64/app")
    contract = read_image(image).contract()
    assert needs(contract) == {}
    assert contract.defines == {}


def test_private_library_of_another_package_is_found_by_runpath(work: Path) -> None:
    root = work / "root"
    shared = library(root / "usr/lib64/app/libshared.so.1", ["S_1"])
    library(root / "usr/lib64/libc.so.6", [])
    image = work / "image"
    program(image / "usr/bin/addon", [0], str(shared), "-Wl,-rpath,/usr/lib64/app", "-nostdlib", "-nostartfiles")
    contract = SymbolContract.parse(str(read_image(image).contract()))
    assert contract.search == {"x86_64": ("/usr/lib64/app",)}
    (need,) = contract.needs
    system = System(root)
    assert system.holds(need, contract.search["x86_64"])
    assert not system.holds(need)


def test_plugin_may_leave_a_library_to_its_host_but_not_versions(work: Path) -> None:
    host = library(work / "libhost.so.1", ["H_1", "H_2"])
    image = work / "image"
    compile_c(
        image / "usr/lib64/app/plugin.so", "extern int f_1(void); int g(void) { return f_1(); }", "-shared", "-fPIC", str(host)
    )
    (need,) = (n for n in read_image(image).contract().needs if n.soname == "libhost.so.1")
    assert need.plugin
    root = work / "root"
    library(root / "lib64/libc.so.6", [])
    assert System(root).holds(need)
    library(root / "usr/lib64/libhost.so.1", ["H_1"])
    assert not System(root).holds(need)


def test_file_that_is_not_what_it_claims_is_left_out_by_name(work: Path) -> None:
    image = work / "image"
    good = library(image / "usr/lib64/libgood.so.1", ["G_1"])
    (image / "usr/lib64/libtext.so").write_text("INPUT(-lgood)\n")
    (image / "usr/lib64/libcut.so.1").write_bytes(good.read_bytes()[:700])
    os.mkfifo(image / "usr/lib64/fifo")
    (image / "usr/lib64/dangling").symlink_to("nowhere")
    (image / "usr/lib64/loop").symlink_to("/")
    objects = read_image(image)
    assert set(objects.found) == {"/usr/lib64/libgood.so.1"}
    assert [path for path, _ in objects.broken] == ["/usr/lib64/libcut.so.1"]


def test_split_debug_information_defines_nothing(work: Path) -> None:
    image = work / "image"
    library(image / "usr/lib/debug/usr/lib64/libx.so.1", ["X_1"])
    assert not read_image(image).contract()


def test_offset_prefix(work: Path) -> None:
    prefix = "/opt/gentoo"
    image = work / "image"
    library(Path(f"{image}{prefix}/usr/lib64/libp.so.1"), ["P_1"])
    contract = read_image(image, eprefix=prefix).contract(eprefix=prefix)
    assert contract.defines == {("x86_64", "libp.so.1"): {"P_1"}}


def test_library_without_versions_satisfies_every_version_as_for_the_loader(work: Path) -> None:
    lib = library(work / "libv.so.1", ["V_1"])
    user = program(work / "user", [0], str(lib))
    library(work / "libv.so.1", [], source='int puts(const char *); int g(void) { return puts(""); }\n')
    run = subprocess.run([str(user)], env={"LD_LIBRARY_PATH": str(work)}, capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "no version information" in run.stderr
    root = work / "root"
    library(root / "lib64/libc.so.6", [])
    shutil.copy(work / "libv.so.1", root / "lib64")
    assert System(root).holds(Need("x86_64", "libv.so.1", frozenset({"V_1"})))


def test_musl_binaries_need_sonames_only(work: Path) -> None:
    image = work / "image"
    libc = library(work / "libc.so", [], soname="libc.musl-x86_64.so.1")
    program(
        image / "usr/bin/tool", [0], str(libc), "-nostdlib", "-nostartfiles", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"
    )
    (need,) = read_image(image).contract().needs
    assert (need.soname, need.versions) == ("libc.musl-x86_64.so.1", frozenset())
    root = work / "root"
    library(root / "lib/ld-musl-x86_64.so.1", [])
    (root / "etc").mkdir()
    (root / "etc/ld-musl-x86_64.path").write_text("/lib:/opt/lib\n")
    system = System(root)
    assert system.judges("x86_64")
    assert system.holds(need)
    assert "/opt/lib" in system.directories
    assert not system.holds(Need("x86_64", "libnowhere.so.1"))


def test_loader_configuration_with_includes_and_links_inside_the_root(work: Path) -> None:
    root = work / "root"
    library(root / "lib64/libc.so.6", [])
    library(root / "opt/real/libo.so.1", ["O_1"])
    (root / "etc/ld.so.conf.d").mkdir(parents=True)
    (root / "etc/ld.so.conf").write_text("# comment\ninclude ld.so.conf.d/*.conf\ninclude /etc/ld.so.conf\n/usr/local/lib\n")
    (root / "etc/ld.so.conf.d/10.conf").write_text("/opt/link # the link\n")
    (root / "opt/link").symlink_to("/opt/real")
    system = System(root)
    assert system.directories[:2] == ("/opt/link", "/usr/local/lib")
    assert system.holds(Need("x86_64", "libo.so.1", frozenset({"O_1"})))
    assert system.missing(Need("x86_64", "libo.so.1", frozenset({"O_1", "O_2"}))) == {"O_2"}


def test_compiler_that_is_not_selected_provides_nothing_and_is_named(work: Path) -> None:
    root = work / "root"
    library(root / "lib64/libc.so.6", [])
    for slot, nodes in (("13", ["C_1"]), ("14", ["C_1", "C_2"])):
        library(root / f"usr/lib/gcc/x86_64-pc-linux-gnu/{slot}/libstdc++.so.6", nodes)
    (root / "etc").mkdir()
    (root / "etc/ld.so.conf").write_text("/usr/lib/gcc/x86_64-pc-linux-gnu/13\n")
    system = System(root)
    wanted = Need("x86_64", "libstdc++.so.6", frozenset({"C_2"}))
    assert not system.holds(wanted)
    assert system.unselected(wanted) == "x86_64-pc-linux-gnu-14"


def test_files_that_count_as_gone_are_gone_by_all_their_names(work: Path) -> None:
    root = work / "root"
    library(root / "usr/lib64/libc.so.6", [])
    library(root / "usr/lib64/libg.so.1.2", ["G_1", "G_2"], soname="libg.so.1")
    (root / "usr/lib64/libg.so.1").symlink_to("libg.so.1.2")
    (root / "lib64").symlink_to("usr/lib64")
    library(root / "usr/lib/libg.so.1", ["G_1"])
    wanted = Need("x86_64", "libg.so.1", frozenset({"G_2"}))
    assert System(root).holds(wanted)
    without = System(root, without=["/lib64/libg.so.1.2"])
    assert without.missing(wanted) == {"G_2"}
    assert System(root, without=["/usr/lib64/libg.so.1.2", "/usr/lib/libg.so.1"]).candidates(wanted.library) == ()


def test_categories_are_told_apart_where_both_lie_in_one_directory(work: Path) -> None:
    root = work / "root"
    library(root / "usr/lib64/libc.so.6", [])
    library(root / "usr/lib32/libc.so.6", [], "-m32", "-nostdlib")
    library(root / "usr/lib64/libw.so.1", ["W_1", "W_2"])
    library(root / "usr/lib32/libw.so.1", ["W_1"], "-m32", "-nostdlib")
    system = System(root)
    assert system.holds(Need("x86_64", "libw.so.1", frozenset({"W_2"})))
    assert not system.holds(Need("x86_32", "libw.so.1", frozenset({"W_2"})))
    assert system.holds(Need("x86_32", "libw.so.1", frozenset({"W_1"})))


def test_root_without_a_c_library_is_not_judged(work: Path) -> None:
    assert System(work).holds(Need("x86_64", "libc.so.6", frozenset({"GLIBC_9"})))
