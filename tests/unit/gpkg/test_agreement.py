"""Two builds agree whatever their archives, times and hosts; every file, mode, owner, value and line that differs is named."""

from __future__ import annotations

import bz2
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext.errors import PackageError
from portage_ext.gpkg.agreement import differences
from tests.testkit import binpkgs

ENVIRONMENT = """declare -x CFLAGS="-O2"
declare -x PORTAGE_COMPRESSION_COMMAND="zstd -T3"
declare -x PORTAGE_REPO_REVISIONS="{\\"gentoo\\": \\"%s\\"}"
pkg_postinst ()
{
    true
}
"""
HEAD = "0123456789abcdef" * 2 + "01234567"


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), 1_700_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


IMAGE = (
    member("image", type=tarfile.DIRTYPE, mode=0o755),
    member("image/usr", type=tarfile.DIRTYPE, mode=0o755),
    member("image/usr/one", b"one", mode=0o644),
    member("image/usr/two", type=tarfile.LNKTYPE, linkname="image/usr/one"),
    member("image/usr/link", type=tarfile.SYMTYPE, linkname="one"),
)


def package(
    path: Path,
    *image: tuple[tarfile.TarInfo, bytes],
    environment: str = ENVIRONMENT % HEAD,
    compression: str = "zstd",
    **values: str,
) -> Path:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in image or IMAGE:
            archive.addfile(info, io.BytesIO(data))
    every = binpkgs.metadata("app-misc/foo-1", **{"BUILD_ID": "1", **values})
    every["environment.bz2"] = bz2.compress(environment.encode())
    path.write_bytes(binpkgs.gpkg(every, compression=compression, image_archive=out.getvalue()))
    return path


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return package(tmp_path / "first.gpkg.tar")


def changed(**more: object) -> tuple[tuple[tarfile.TarInfo, bytes], ...]:
    """The image with another file /usr/one."""
    data = more.pop("data", b"one")
    assert isinstance(data, bytes)
    return tuple(
        member("image/usr/one", data, **{"mode": 0o644, **more}) if i.name == "image/usr/one" else (i, d) for i, d in IMAGE
    )


def named(first: Path, second: Path) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in differences(first, second)]


def test_time_counter_compression_and_order_do_not_count(first: Path, tmp_path: Path) -> None:
    later = [(tarfile.TarInfo.frombuf(i.tobuf(tarfile.GNU_FORMAT), "utf-8", ""), data) for i, data in IMAGE]
    for info, _ in later:
        info.mtime = 1_800_000_000
    # The same two names of one file, the other way round.
    reordered = [later[1], member("image/usr/two", b"one", mode=0o644), later[4], later[0]]
    reordered.append(member("image/usr/one", type=tarfile.LNKTYPE, linkname="image/usr/two"))
    text = ENVIRONMENT.replace("-T3", "-T64") % HEAD[::-1]
    values = {"BUILD_TIME": "1800000000", "BUILD_ID": "7", "REPO_REVISIONS": "{}"}
    second = package(tmp_path / "second.gpkg.tar", *reordered, environment=text, compression="xz", **values)
    assert differences(first, second) == ()


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (changed(data=b"two"), "/usr/one"),
        (changed(mode=0o4644), "/usr/one"),
        (changed(uid=7), "/usr/one"),
        (changed(gname="disk"), "/usr/one"),
        (changed(pax_headers={"SCHILY.xattr.security.capability": "x"}), "/usr/one"),
        (changed(data=b"", type=tarfile.CHRTYPE, devmajor=1), "/usr/one"),
        ((*IMAGE[:4], member("image/usr/link", type=tarfile.SYMTYPE, linkname="two")), "/usr/link"),
        ((*IMAGE[:3], member("image/usr/two", b"one", mode=0o644), IMAGE[4]), "/usr/two"),
        ((*IMAGE, member("image/usr/more", b"")), "/usr/more"),
        (IMAGE[:4], "/usr/link"),
        ((*IMAGE, member("image/usr/link", b"x")), "/usr/link"),
        ((IMAGE[0], member("image/usr", type=tarfile.DIRTYPE, mode=0o777), *IMAGE[2:]), "/usr"),
    ],
    ids=[
        "content",
        "setuid",
        "owner",
        "group",
        "capability",
        "device",
        "target",
        "no-hard-link",
        "more",
        "less",
        "twice",
        "dir",
    ],
)
def test_what_would_be_installed_counts(
    first: Path, tmp_path: Path, image: tuple[tuple[tarfile.TarInfo, bytes], ...], name: str
) -> None:
    found = named(first, package(tmp_path / "second.gpkg.tar", *image))
    assert ("file", name) in found
    # A file with two names differs by both.
    assert {one for _, one in found} <= {name, "/usr/one", "/usr/two"}


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda text: text.replace("true", "curl"), "curl"),
        (lambda text: text + "declare -x MORE=1\n", "MORE"),
        (lambda text: text.replace("zstd -T3", "zstd $(curl) -T3"), "curl"),
        (lambda text: text.replace("zstd -T3", "evil -T3"), "evil"),
        (lambda text: text.replace("gentoo", "other"), "other"),
        (
            lambda text: text.replace("{\n    true", '{\ndeclare -x PORTAGE_COMPRESSION_COMMAND="zstd -T9; x"\n    true'),
            "zstd -T*; x",
        ),
    ],
    ids=["function", "variable", "substitution", "program", "repository", "hidden"],
)
def test_code_that_clients_run_counts(first: Path, tmp_path: Path, change: Callable[[str], str], shown: str) -> None:
    second = package(tmp_path / "second.gpkg.tar", environment=change(ENVIRONMENT % HEAD))
    (found,) = differences(first, second)
    assert (found.kind, found.name) == ("metadata", "environment.bz2")
    assert shown in found.second


@pytest.mark.parametrize("values", [{"RDEPEND": "dev-libs/evil"}, {"USE": "foo"}, {"NEW_IN_PORTAGE": "x"}, {"SLOT": "1"}])
def test_metadata_counts_also_of_unknown_names(first: Path, tmp_path: Path, values: dict[str, str]) -> None:
    assert named(first, package(tmp_path / "second.gpkg.tar", **values)) == [("metadata", next(iter(values)))]


def test_of_provenance_commit_and_job_do_not_count(tmp_path: Path) -> None:
    texts = ('{"commit":"a","ebuild":"x","job":""}', '{"ebuild":"x","job":"7","commit":""}', '{"ebuild":"y","job":"7"}', "[")
    one, other, third, damaged = (package(tmp_path / f"{n}.gpkg.tar", PROVENANCE=text) for n, text in enumerate(texts))
    assert differences(one, other) == ()
    assert named(one, third) == named(one, damaged) == [("metadata", "PROVENANCE")]


def test_lists_of_files_have_no_order(tmp_path: Path) -> None:
    lines = ("X86_64;/usr/one;;;libc.so.6;x86_64", "X86_64;/usr/two;;;libc.so.6;x86_64")
    one = package(tmp_path / "one.gpkg.tar", **{"NEEDED.ELF.2": "\n".join(lines)})
    other = package(tmp_path / "other.gpkg.tar", **{"NEEDED.ELF.2": "\n".join(reversed(lines))})
    assert differences(one, other) == ()
    assert named(one, package(tmp_path / "third.gpkg.tar", **{"NEEDED.ELF.2": lines[0]})) == [("metadata", "NEEDED.ELF.2")]


def test_a_contract_that_one_of_them_lacks_is_that_of_its_image(first: Path, tmp_path: Path) -> None:
    recorded = package(tmp_path / "recorded.gpkg.tar", SYMBOL_CONTRACT="2")
    assert differences(first, recorded) == differences(recorded, first) == ()
    lied = package(tmp_path / "lied.gpkg.tar", SYMBOL_CONTRACT="2 > x86_64 libc.so.6:GLIBC_2.2.5")
    assert named(first, lied) == named(recorded, lied) == [("contract", "SYMBOL_CONTRACT")]
    garbage = package(tmp_path / "garbage.gpkg.tar", SYMBOL_CONTRACT="? ?")
    assert named(first, garbage) == [("contract", "SYMBOL_CONTRACT")]


def test_an_xpak_agrees_with_itself_and_a_damaged_package_is_an_error(first: Path, tmp_path: Path) -> None:
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w:gz") as archive:
        archive.addfile(*(lambda one: (one[0], io.BytesIO(one[1])))(member("./usr/one", b"one")))
    old = tmp_path / "foo-1.xpak"
    old.write_bytes(binpkgs.xpak(binpkgs.metadata(), image.getvalue()))
    assert differences(old, old) == ()
    data = bytearray(first.read_bytes())
    data[data.index(b"image.tar.zst") + 600] ^= 1
    damaged = tmp_path / "damaged.gpkg.tar"
    damaged.write_bytes(data)
    with pytest.raises(PackageError):
        differences(first, damaged)
