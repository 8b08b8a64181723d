"""A system is made of the archive that was named, whole or not at all, and with the configuration that it is given."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.errors.builds import StageError
from portage_ext.limits import builds as limits
from portage_ext.targets import archive as archives
from portage_ext.targets import stage
from tests.unit.targets.examples import target

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root unpacks a system with its owners")
PROFILE = "default/linux/amd64"
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"xz": lzma.compress, "gz": gzip.compress, "bz2": bz2.compress}


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644, size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode, made.size = kind, link, mode, size
    return made


PLAIN = (
    entry("./", tarfile.DIRTYPE, mode=0o755),
    entry("./bin", tarfile.SYMTYPE, "usr/bin"),
    entry("./usr/bin/su", mode=0o4711),
    entry("./usr/bin/su2", tarfile.LNKTYPE, "./usr/bin/su"),
    entry("./dev/null", tarfile.CHRTYPE),
    entry("./etc/portage/package.use", tarfile.DIRTYPE, mode=0o755),
    entry("./etc/portage/make.conf"),
)


def packed(work: Path, *members: tarfile.TarInfo, kind: str = "xz") -> Path:
    path = work / f"stage3.tar.{kind}"
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as out:
        for member in members:
            out.addfile(member, io.BytesIO(bytes(member.size)))
    path.write_bytes(COMPRESS[kind](plain.getvalue()))
    return path


def repository(work: Path) -> Path:
    place = work / "repository"
    (place / "profiles" / PROFILE).mkdir(parents=True)
    (place / ".git").mkdir()
    (place / "profiles/repo_name").write_text("tiny\n")
    return place


def digest(path: Path, algorithm: str = "sha256") -> str:
    return hashlib.new(algorithm, path.read_bytes()).hexdigest()


@as_root
def test_the_archive_becomes_a_system_with_the_configuration_of_a_target(tmp_path: Path) -> None:
    path, into = packed(tmp_path, *PLAIN), tmp_path / "srv/laptop"
    like = replace(target(), make_conf={"CFLAGS": "-O3"}, files={"etc/portage/package.use": b"app-misc/thing foo\n"})
    partial = tmp_path / "srv/.laptop.partial"
    partial.mkdir(parents=True)
    (partial / "left").touch()  # by a run that was killed
    stage.make(path, digest(path), into, profile=PROFILE, repositories=[repository(tmp_path)], like=like)
    assert (into / "usr/bin/su").stat().st_mode & 0o7777 == 0o4711
    assert (into / "usr/bin/su").stat().st_nlink == 2
    assert os.listdir(into / "dev") == []
    assert not (into / "left").exists()
    assert 'CFLAGS="-O3"' in (into / "etc/portage/make.conf").read_text()
    assert (into / "etc/portage/package.use").read_text() == "app-misc/thing foo\n"
    assert (into / "etc/portage/make.profile").resolve() == into / "var/db/repos/tiny/profiles" / PROFILE
    assert "main-repo = tiny" in (into / "etc/portage/repos.conf").read_text()
    assert not (into / "var/db/repos/tiny/.git").exists()
    with pytest.raises(StageError, match="exists already"):
        stage.make(path, digest(path), into, profile=PROFILE, repositories=[tmp_path / "repository"])


def test_a_builder_json_alone_gives_flags_and_use() -> None:
    march = ("-march=znver4",)
    builder = replace(
        target().builder,
        cflags=("-O2", "-march=native"),
        march=march,
        use=("foo", "bar"),
        package_use={"app-misc/x": ("-foo",)},
    )
    found = stage.configuration(replace(target(), builder=builder, make_conf={}, files={}), "stage3")
    assert 'CFLAGS="-O2 -march=znver4"' in found["etc/portage/make.conf"].decode()
    assert 'USE="foo bar"' in found["etc/portage/make.conf"].decode()
    assert found["etc/portage/package.use"] == b"app-misc/x -foo\n"


def test_native_is_replaced_by_what_the_target_resolved_or_refused() -> None:
    native = replace(target(), make_conf={"CFLAGS": "-O2 -march=native"})
    resolved = replace(native, builder=replace(native.builder, march=("-march=znver4",)))
    assert b'"-O2 -march=znver4"' in stage.configuration(resolved, "stage3")["etc/portage/make.conf"]
    with pytest.raises(StageError, match="says -march=native, and nobody resolved that"):
        stage.configuration(native, "stage3")


@as_root
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"proof": "0" * 128}, "not 0000000000000000"),
        ({"proof": "0" * 64}, "its SHA256 is "),
        ({"proof": "0" * 32}, "must be a SHA256"),
        ({"proof": ""}, "must be a SHA256"),
        ({"profile": "../../etc"}, "cannot be a profile"),
        ({"profile": "default/none"}, "there is no profile"),
        ({"repositories": []}, "name one with --repository"),
    ],
)
def test_another_archive_and_what_does_not_fit_are_refused(tmp_path: Path, changed: dict[str, object], why: str) -> None:
    path, into = packed(tmp_path, *PLAIN), tmp_path / "srv/laptop"
    values: dict[str, object] = {"proof": digest(path), "profile": PROFILE, "repositories": [repository(tmp_path)]} | changed
    with pytest.raises(StageError, match=why):
        stage.make(path, values.pop("proof"), into, **values)  # type: ignore[arg-type]
    assert not into.parent.exists() or os.listdir(into.parent) == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "blake2b"])
@pytest.mark.parametrize("kind", ["xz", "gz", "bz2"])
def test_each_digest_and_compression_is_read(tmp_path: Path, algorithm: str, kind: str) -> None:
    path = packed(tmp_path, *PLAIN, kind=kind)
    with path.open("rb") as file:
        archives.check(file, path.name, digest(path, algorithm).upper())
        archives.survey(file, path.name)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([entry("/etc/passwd")], "'/etc/passwd' leads out of it"),
        ([entry("./../etc/passwd")], "leads out of it"),
        ([entry("a", tarfile.LNKTYPE, "/etc/passwd")], "'/etc/passwd' leads out of it"),
        ([entry("a", tarfile.LNKTYPE, "../passwd")], "leads out of it"),
        ([entry("./a", tarfile.SYMTYPE, "/etc"), entry("./a/passwd")], "leads through the symbolic link 'a'"),
        ([entry("a", tarfile.SYMTYPE, "/etc"), entry("./a/b/passwd")], "leads through the symbolic link 'a'"),
        ([entry("a", tarfile.SYMTYPE, "/etc"), entry("b", tarfile.LNKTYPE, "a/passwd")], "hard link 'b' leads through"),
        ([entry("a", tarfile.SYMTYPE, "/etc"), entry("b", tarfile.LNKTYPE, "a"), entry("b/x")], "symbolic link 'b'"),
        ([entry("a", tarfile.SYMTYPE, "/etc/passwd"), entry("a")], "it has 'a' twice"),
        ([entry("root", tarfile.CHRTYPE)], "is a device or a pipe"),
        ([entry("run/pipe", tarfile.FIFOTYPE)], "is a device or a pipe"),
        ([entry("a", size=2000)], "more or larger files"),
        ([entry(f"a{number}") for number in range(9)], "more or larger files"),
    ],
)
def test_a_hostile_archive_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: list[tarfile.TarInfo], why: str
) -> None:
    monkeypatch.setattr(limits, "STAGE_SIZE", 1000)
    monkeypatch.setattr(limits, "STAGE_MEMBERS", 8)
    path = packed(tmp_path, *members)
    with path.open("rb") as file, pytest.raises(StageError) as refused:
        archives.survey(file, path.name)
    assert why in str(refused.value)


@as_root
@pytest.mark.parametrize(
    ("spoil", "why"), [("cut", "damaged"), ("etc", "its etc is not a directory"), ("conf", "not a directory")]
)
def test_what_cannot_be_unpacked_or_leads_out_leaves_nothing(tmp_path: Path, spoil: str, why: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = {"etc": "./etc", "conf": "./etc/portage"}.get(spoil, "./link")
    path, into = packed(tmp_path, entry(link, tarfile.SYMTYPE, str(outside))), tmp_path / "srv/laptop"
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StageError, match=why):
        stage.make(path, digest(path), into, profile=PROFILE, repositories=[repository(tmp_path)])
    assert os.listdir(into.parent) == []
    assert os.listdir(outside) == []
