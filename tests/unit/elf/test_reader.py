from __future__ import annotations

import io
import mmap
import random
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection
from elftools.elf.sections import Section, StringTableSection

from portage_ext.elf.reader import BrokenElfError, ElfObject, read_object
from tests.unit.elf.objects import compile_c, library, program


def read(path: Path) -> ElfObject:
    found = read_object(path.read_bytes())
    assert found is not None
    return found


def section_of(file: ELFFile, name: str) -> Section:
    found = file.get_section_by_name(name)
    assert found is not None, name
    return found


def by_elftools(path: Path) -> tuple[set[str], dict[str | None, set[str]], set[str], str]:
    """Needed sonames, version needs without weak ones, definitions and soname, as another reader sees them by sections."""
    needed, needs, defines, soname = set(), {}, set(), ""
    with open(path, "rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            if isinstance(section, DynamicSection):
                names = elf.get_section(section["sh_link"])
                assert isinstance(names, StringTableSection)
                for tag in section.iter_tags():
                    if tag.entry.d_tag == "DT_NEEDED":
                        needed.add(names.get_string(tag.entry.d_val))
                    elif tag.entry.d_tag == "DT_SONAME":
                        soname = names.get_string(tag.entry.d_val)
            elif isinstance(section, GNUVerNeedSection):
                for head, versions in section.iter_versions():
                    needs[head.name] = {one.name for one in versions if not one["vna_flags"] & 2}
            elif isinstance(section, GNUVerDefSection):
                for head, versions in section.iter_versions():
                    if not head["vd_flags"] & 1:
                        defines.add(next(versions).name)
    return needed, needs, defines, soname


def some_files() -> list[Path]:
    """A few hundred objects of this machine, the same in every run."""
    listed = subprocess.run(
        ["ldconfig", "-p"], capture_output=True, text=True, check=True, env={"PATH": "/sbin:/usr/sbin"}
    ).stdout
    libraries = sorted({Path(line.split(" => ")[1]).resolve() for line in listed.splitlines() if " => " in line})
    programs = sorted(path for path in Path("/usr/bin").iterdir() if path.is_file() and not path.is_symlink())
    found = [p for p in (*libraries, *programs) if p.read_bytes()[:4] == b"\x7fELF"]
    return random.Random(5).sample(found, min(len(found), 60))


def test_agrees_with_another_reader_on_this_machines_objects() -> None:
    files = some_files()
    assert len(files) > 50
    for path in files:
        found = read_object(path.read_bytes())
        if found is not None:
            needs = {file: set(versions) for file, versions in found.versions.items()}
            assert (set(found.needed), needs, set(found.defines), found.soname) == by_elftools(path), path


def test_versions_needed_and_defined(work: Path) -> None:
    lib = library(work / "libv.so.1", ["V_1", "V_2"])
    assert read(lib).defines == {"V_1", "V_2"}
    assert read(lib).soname == "libv.so.1"
    assert not read(lib).program
    user = read(program(work / "user", [1], str(lib), "-Wl,-rpath,$ORIGIN/../lib:/opt/x"))
    assert user.versions["libv.so.1"] == {"V_2"}
    assert user.search == ("$ORIGIN/../lib", "/opt/x")
    assert user.program


def test_stripped_object_reads_the_same(work: Path) -> None:
    lib = library(work / "libv.so.1", ["V_1"])
    whole = read(lib)
    subprocess.run(["strip", "--strip-all", "--remove-section=.comment", str(lib)], check=True)
    data = bytearray(lib.read_bytes())
    data[40:48] = bytes(8)  # e_shoff: no section headers at all
    data[60:64] = bytes(4)
    assert read_object(bytes(data)) == whole


def test_weak_version_reference_is_no_need(work: Path) -> None:
    """VER_FLG_WEAK is what the loader forgives; linkers before binutils 2.4x never set it, so it is set here."""
    lib = library(work / "libv.so.1", ["V_1", "V_2"])
    user = program(work / "user", [0, 1], str(lib))
    data = bytearray(user.read_bytes())
    with open(user, "rb") as file:
        section = section_of(ELFFile(file), ".gnu.version_r")
        start = section["sh_offset"]
        at = next(aux_at for head_at, head in _walk(data, start, section["sh_info"]) for aux_at, name in head if name == "V_2")
    struct.pack_into("<H", data, at + 4, struct.unpack_from("<H", data, at + 4)[0] | 2)
    user.write_bytes(data)
    assert read(user).versions["libv.so.1"] == {"V_1"}
    library(work / "libv.so.1", ["V_1"], source="int f_1(void) { return 0; }")
    run = subprocess.run([str(user)], env={"LD_LIBRARY_PATH": str(work)}, capture_output=True, text=True, check=False)
    assert "not found" not in run.stderr or "weak version" in run.stderr


def _walk(data: bytes | bytearray, start: int, count: int) -> list[tuple[int, list[tuple[int, str]]]]:
    with_names = []
    names = section_of(ELFFile(io.BytesIO(data)), ".dynstr")
    assert isinstance(names, StringTableSection)
    at = start
    for _ in range(count):
        _, entries, _, first, link = struct.unpack_from("<HHIII", data, at)
        aux, inner = at + first, []
        for _ in range(entries):
            _, _, _, name, following = struct.unpack_from("<IHHII", data, aux)
            inner.append((aux, names.get_string(name)))
            aux += following
        with_names.append((at, inner))
        at += link
    return with_names


def test_loader_demands_what_a_weak_symbol_refers_to_without_the_flag(work: Path) -> None:
    """Which is why the flag decides, and not the binding of the symbol."""
    lib = library(work / "libv.so.1", ["V_1", "V_2"])
    source = (
        "extern int f_0(void); extern int f_1(void) __attribute__((weak)); int main(void) { return f_0() + (f_1 ? f_1() : 0); }"
    )
    user = compile_c(work / "user", source, str(lib))
    weak = read(user).versions["libv.so.1"] == {"V_1"}
    library(work / "libv.so.1", ["V_1"])
    run = subprocess.run([str(user)], env={"LD_LIBRARY_PATH": str(work)}, capture_output=True, text=True, check=False)
    assert ("version `V_2' not found" in run.stderr and run.returncode != 0) is not weak


def test_32_bit_object_has_its_own_category(work: Path) -> None:
    lib = library(work / "lib32.so.1", ["W_1"], "-m32", "-nostdlib")
    assert (read(lib).category, read(lib).defines) == ("x86_32", {"W_1"})
    assert read(library(work / "lib64.so.1", ["W_1"])).category == "x86_64"


def test_static_and_relocatable_objects_concern_no_loader(work: Path) -> None:
    static = compile_c(work / "static", "void _start(void) { for (;;); }", "-static", "-nostdlib")
    part = compile_c(work / "part.o", "int x;", "-c")
    assert read_object(static.read_bytes()) is None
    assert read_object(part.read_bytes()) is None
    assert read_object(b"#!/bin/sh\n") is None
    assert read_object(b"") is None


def test_every_truncation_is_named_and_none_is_a_crash(work: Path) -> None:
    data = library(work / "libv.so.1", ["V_1"]).read_bytes()
    whole = read_object(data)
    for size in [*range(4, 1024, 7), *range(1024, len(data), 97)]:
        try:
            found = read_object(data[:size])
        except BrokenElfError:
            continue
        assert found in (None, whole)


def test_random_damage_never_escapes(work: Path) -> None:
    data = library(work / "libv.so.1", ["V_1", "V_2"]).read_bytes()
    dice = random.Random(7)
    for _ in range(1500):
        damaged = bytearray(data)
        for _ in range(dice.randrange(1, 8)):
            damaged[dice.randrange(4, 4096)] = dice.randrange(256)
        try:
            read_object(bytes(damaged))
        except BrokenElfError:
            continue


def test_endless_version_chain_ends(work: Path) -> None:
    lib = library(work / "libv.so.1", ["V_1"])
    with open(lib, "rb") as file:
        at = section_of(ELFFile(file), ".gnu.version_d")["sh_offset"]
    data = bytearray(lib.read_bytes())
    struct.pack_into("<I", data, at + 16, 0xFFFFFFF0)
    with pytest.raises(BrokenElfError):
        read_object(bytes(data))


def test_nothing_but_the_standard_library_is_imported() -> None:
    """The guard starts once a package."""
    script = "import sys; before = set(sys.modules); import portage_ext.elf.system, portage_ext.elf.tree; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in loaded} <= {
        *sys.stdlib_module_names,
        "portage_ext",
        "__main__",
        "sitecustomize",
    } | {name.partition(".")[0] for name in loaded if name.startswith(("__editable__", "_distutils", "distutils"))}


def test_the_same_bytes_as_thousands_of_names_cost_no_more_than_their_bound() -> None:
    strings = b"a" * 16000 + b"\0"
    tags = [(1, number % 15000) for number in range(20_000)] + [(5, 1 << 28), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    at = 64 + 2 * 56
    data = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    data += struct.pack("<IIQQQQQQ", 1, 4, at + len(dynamic), 1 << 28, 0, len(strings), len(strings), 1)
    data += struct.pack("<IIQQQQQQ", 2, 4, at, at, 0, len(dynamic), len(dynamic), 8) + dynamic + strings
    with pytest.raises(BrokenElfError, match="names of more than"):
        read_object(data)


def test_a_table_of_names_as_large_as_the_file_is_not_brought_into_memory(work: Path) -> None:
    size = 1 << 28
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in ((1, 1), (14, 7), (5, 1 << 28), (10, size), (0, 0)))
    at = 64 + 2 * 56
    data = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    data += struct.pack("<IIQQQQQQ", 1, 4, at + len(dynamic), 1 << 28, 0, size, size, 1)
    data += struct.pack("<IIQQQQQQ", 2, 4, at, at, 0, len(dynamic), len(dynamic), 8) + dynamic + b"\0liba\0\0libb.so\0"
    path = work / "sparse"
    path.write_bytes(data)
    with open(path, "r+b") as file:
        file.truncate(len(data) + size)
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            tracemalloc.start()
            try:
                found = read_object(mapped)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
    assert found is not None
    assert (found.needed, found.soname) == (("liba",), "libb.so")
    assert peak < 1 << 20
