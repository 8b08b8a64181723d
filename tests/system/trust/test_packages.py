"""Signing copies the payload as it is, proves what it copies, and leaves the old file when anything is wrong. Real gpg."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.errors import DigestMismatchError, PortageExtError
from portage_ext.errors.trust import BadSignatureError, GpgError, UnknownKeyError, UnsignedError, UntrustedKeyError
from portage_ext.gpkg import verify
from portage_ext.gpkg.sign import sign_package
from portage_ext.gpkg.source import Source
from portage_ext.gpkg.verify import Matched, verify_packages
from portage_ext.model import digest
from portage_ext.trust.gpg import judge_many
from portage_ext.trust.signer import GpgSigner, SigningKey, signing_key
from tests.testkit import binpkgs, keys
from tests.testkit.compiled import compiled
from tests.testkit.keys import SigningKey as Key

QUICK = ("--pinentry-mode", "loopback", "--passphrase", "")


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    """A test that changes a key takes ``changed_key``."""
    with own_key() as made:
        yield made


@pytest.fixture
def changed_key() -> Iterator[Key]:
    with own_key() as made:
        yield made


@contextlib.contextmanager
def own_key() -> Iterator[Key]:
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        made = keys.new_key(Path(name))
        yield made
        keys.kill_agents(made.home)


@pytest.fixture
def signer(key: Key) -> GpgSigner:
    return GpgSigner(signing_key(key.home, key.fingerprint), key.home)


def ring(work: Path, key: Key) -> Path:
    path = work / "ring.gpg"
    path.write_bytes(keys.gpg(key.home, "--export", key.fingerprint))
    return path


def verdict(path: Path, work: Path, key: Key) -> Exception | None:
    return verify_packages([path], judge_many([ring(work, key)], frozenset({key.fingerprint})))[path]


def package(work: Path, size: int = 5000, name: str = "foo-1-1.gpkg.tar", **arguments: object) -> Path:
    path = work / name
    image = os.urandom(size)
    path.write_bytes(binpkgs.gpkg(binpkgs.metadata("app-misc/foo-1", BUILD_ID="1"), image=image, **arguments))  # type: ignore[arg-type]
    return path


def payload(path: Path) -> dict[str, tuple[bytes, bytes]]:
    """Header and content of every member that is no signature and no Manifest."""
    data = path.read_bytes()
    with tarfile.open(path) as archive:
        return {
            one.name: (data[one.offset : one.offset_data], data[one.offset_data : one.offset_data + one.size])
            for one in archive.getmembers()
            if not one.name.endswith((".sig", "/Manifest"))
        }


def test_what_the_disk_takes_in_parts_is_written_whole(
    work: Path, key: Key, signer: GpgSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = package(work)
    whole = os.write
    monkeypatch.setattr("portage_ext.gpkg.sign.os.write", lambda fd, data: whole(fd, data[:700]))
    sign_package(path, signer)
    monkeypatch.undo()
    assert verdict(path, work, key) is None


@pytest.mark.parametrize("size", [100, 3_000_000], ids=["small", "large"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["ustar", "gnu", "pax"])
def test_a_signed_package_is_the_same_member_for_member(work: Path, key: Key, signer: GpgSigner, size: int, form: int) -> None:
    path = package(work, size, form=form)
    before = payload(path)
    assert isinstance(verdict(path, work, key), UnsignedError)
    sign_package(path, signer)
    assert payload(path) == before
    assert verdict(path, work, key) is None
    assert path.stat().st_size % tarfile.RECORDSIZE == 0
    sign_package(path, signer)
    assert payload(path) == before
    assert verdict(path, work, key) is None


def test_every_inner_archive_has_a_detached_signature_that_gpg_accepts(work: Path, key: Key, signer: GpgSigner) -> None:
    path = package(work, 400_000)
    sign_package(path, signer)
    with tarfile.open(path) as archive:
        names = [one.name.partition("/")[2] for one in archive.getmembers()]
        assert [name.partition(".")[0] for name in names] == ["gpkg-1", "metadata", "metadata", "image", "image", "Manifest"]
        for name in archive.getnames():
            if name.endswith(".sig"):
                signature, signed = archive.extractfile(name), archive.extractfile(name.removesuffix(".sig"))
                assert signature is not None
                assert signed is not None
                (work / "s").write_bytes(signature.read())
                keys.gpg(key.home, "--verify", str(work / "s"), "-", stdin=signed.read())


def test_mode_and_owner_stay_and_the_time_moves_on(work: Path, signer: GpgSigner) -> None:
    path = package(work)
    path.chmod(0o640)
    if os.getuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    os.utime(path, (2_000_000_000, 2_000_000_000))
    sign_package(path, signer)
    after = path.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o640, before.st_uid, before.st_gid)
    assert int(after.st_mtime) > 2_000_000_000


def test_a_payload_that_is_not_what_its_manifest_says_is_not_signed(work: Path, signer: GpgSigner) -> None:
    for size in (100, 1_000_000):
        path = package(work, size)
        data = bytearray(path.read_bytes())
        with tarfile.open(path) as archive:
            image = next(one for one in archive.getmembers() if "/image.tar" in one.name)
        data[image.offset_data + image.size // 2] ^= 1
        path.write_bytes(bytes(data))
        with pytest.raises(DigestMismatchError):
            sign_package(path, signer)
        assert path.read_bytes() == bytes(data)
        assert sorted(one.name for one in work.iterdir()) == ["foo-1-1.gpkg.tar"]


def test_when_gpg_fails_the_old_file_stays(work: Path, key: Key) -> None:
    absent = GpgSigner(SigningKey("F" * 40, "F" * 40), key.home)
    for size in (100, 1_000_000):
        path = package(work, size)
        before = path.read_bytes()
        with pytest.raises(GpgError):
            sign_package(path, absent)
        assert path.read_bytes() == before


def test_a_changed_manifest_is_a_bad_signature(work: Path, key: Key, signer: GpgSigner) -> None:
    path = package(work)
    sign_package(path, signer)
    data = path.read_bytes()
    at = data.index(b"DATA gpkg-1 0 BLAKE2B 786a") + len(b"DATA gpkg-1 0 BLAKE2B ")
    path.write_bytes(data[:at] + b"9" + data[at + 1 :])
    assert verify_packages([path], judge_many([ring(work, key)], frozenset({key.fingerprint})), digests=False)[path] is not None
    assert isinstance(
        verify_packages([path], judge_many([ring(work, key)], frozenset({key.fingerprint})), digests=False)[path],
        BadSignatureError,
    )


def test_text_around_the_signed_manifest_is_refused(work: Path, key: Key, signer: GpgSigner) -> None:
    extra = b"DATA evil 1 BLAKE2B " + b"0" * 128 + b" SHA512 " + b"0" * 128 + b"\n"
    for before, after in ((extra, b""), (b"", extra)):
        path = package(work, manifest=lambda text: before + keys.gpg(key.home, "--clear-sign", stdin=text) + after)  # noqa: B023
        assert verdict(path, work, key) is not None


def test_many_packages_are_judged_each_by_itself(work: Path, key: Key, signer: GpgSigner) -> None:
    other = keys.new_key(work / "other")
    paths = [package(work, name=f"foo-1-{number}.gpkg.tar") for number in range(1, 5)]
    sign_package(paths[0], signer)
    sign_package(paths[1], GpgSigner(signing_key(other.home, None), other.home))
    sign_package(paths[3], signer)
    keys.kill_agents(other.home)
    verdicts = verify_packages(paths, judge_many([ring(work, key)], frozenset({key.fingerprint})))
    assert [type(verdicts[path]) for path in paths] == [type(None), UnknownKeyError, UnsignedError, type(None)]


def test_a_bad_signature_does_not_hide_those_behind_it(work: Path, key: Key, signer: GpgSigner) -> None:
    # gpg's batch mode ends at a bad signature: what it never looked at must be neither believed nor called unsigned.
    paths = [package(work, name=f"foo-1-{number}.gpkg.tar") for number in range(1, 7)]
    for path in paths:
        sign_package(path, signer)
    for path in (paths[0], paths[1], paths[3]):
        data = path.read_bytes()
        at = data.index(b"DATA gpkg-1 0 BLAKE2B 786a") + len(b"DATA gpkg-1 0 BLAKE2B ")
        path.write_bytes(data[:at] + b"9" + data[at + 1 :])
    verdicts = verify_packages(paths, judge_many([ring(work, key)], frozenset({key.fingerprint})), digests=False)
    bad = BadSignatureError
    assert [type(verdicts[path]) for path in paths] == [bad, bad, type(None), bad, type(None), type(None)]


@pytest.mark.parametrize("built", [False, True])
def test_a_damaged_package_among_many_is_named(
    work: Path, key: Key, signer: GpgSigner, monkeypatch: pytest.MonkeyPatch, built: bool
) -> None:
    module = compiled("portage_ext.model._lanes") if built else None
    monkeypatch.setattr(digest, "_lanes", lambda: (module, frozenset(("BLAKE2B", "SHA512") if built else ())))
    sizes = (5000, 5000, 300_000, 5000, 300_000, 5000)  # not all of the large ones is in memory
    paths = [package(work, size, f"foo-1-{number}.gpkg.tar") for number, size in enumerate(sizes)]
    for path in paths:
        sign_package(path, signer)
    for path in (paths[1], paths[2]):
        with tarfile.open(path) as archive:
            place = next(one for one in archive.getmembers() if "/image.tar" in one.name and not one.name.endswith(".sig"))
        with path.open("r+b") as file:
            file.seek(place.offset_data + place.size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
    verdicts = verify_packages(paths, judge_many([ring(work, key)], frozenset({key.fingerprint})))
    assert [type(verdicts[path]) for path in paths] == [type(None), *[DigestMismatchError] * 2, *[type(None)] * 3]
    assert "image.tar" in str(verdicts[paths[1]])


def test_batches_that_are_judged_at_once_are_not_mixed_up(
    work: Path, key: Key, signer: GpgSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_BATCH", 3)
    monkeypatch.setattr(verify, "_TOGETHER", 2)
    monkeypatch.setattr(limits, "TOGETHER_SIZE", 64 * 1024)
    monkeypatch.setattr(limits, "TOGETHER_BYTES", 70 * 1024)  # room for one, so that memory is used again
    paths = [package(work, 5000, f"foo-1-{number}.gpkg.tar") for number in range(1, 12)]
    for path in paths[1::2]:
        sign_package(path, signer)
    with paths[3].open("r+b") as file:
        file.seek(paths[3].read_bytes().index(b"image.tar") + 600)
        file.write(b"??")
    for digests in (True, False):
        verdicts = verify_packages(paths, judge_many([ring(work, key)], frozenset({key.fingerprint})), digests=digests)
        wrong = DigestMismatchError if digests else type(None)
        assert [type(verdicts[path]) for path in paths] == [
            UnsignedError if number % 2 == 0 else wrong if number == 3 else type(None) for number in range(11)
        ]
    assert not verify._free


@pytest.fixture(params=[False, True], ids=["pure", "compiled"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to compute digests of many packages."""
    module = compiled("portage_ext.model._lanes") if request.param else None
    monkeypatch.setattr(digest, "_lanes", lambda: (module, frozenset(("BLAKE2B", "SHA512") if request.param else ())))


def accept(texts: Sequence[bytes], names: Sequence[str]) -> list[PortageExtError | None]:
    return [None] * len(texts)


def flipped(path: Path, member: str = "/image.tar") -> None:
    """Change one bit in the middle of a member, and nothing that stat shows but ctime."""
    with tarfile.open(path) as archive:
        place = next(one for one in archive.getmembers() if member in one.name and not one.name.endswith(".sig"))
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(place.offset_data + place.size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.usefixtures("either")
def test_bytes_that_were_compared_are_not_compared_again(
    work: Path, key: Key, signer: GpgSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [package(work, size, f"foo-1-{number}.gpkg.tar") for number, size in enumerate((5000, 5000, 300_000, 700_000, 9))]
    for path in paths[:-1]:
        sign_package(path, signer)
    judge = judge_many([ring(work, key)], frozenset({key.fingerprint}))
    matched: Matched = {}
    known = verify_packages(paths, judge)
    wanted = [str(known[path]) for path in paths]
    first = verify_packages(paths, judge, digests=False, matched=matched)
    assert [str(first[path]) for path in paths] == wanted
    # Neither the large one nor the one without a signature.
    assert len(matched) == 3
    compared: list[Path] = []
    whole = verify._compared

    def counting(some: Sequence[Path], memory: memoryview) -> list[bytes | PortageExtError]:
        compared.extend(some)
        return whole(some, memory)

    monkeypatch.setattr(verify, "_compared", counting)
    # The bytes count, not where they are.
    moved = paths[0].rename(work / "bar-2-1.gpkg.tar")
    again = verify_packages([moved, *paths[1:]], judge, matched=matched)
    assert [str(again[path]) for path in (moved, *paths[1:])] == wanted
    assert compared == paths[3:]
    assert len(matched) == 3


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("change", ["image", "metadata", "cut", "longer", "unsigned", "another", "gone", "link", "a directory"])
def test_a_package_that_changed_after_it_was_compared_is_found(work: Path, key: Key, signer: GpgSigner, change: str) -> None:
    paths = [package(work, name=f"foo-1-{number}.gpkg.tar") for number in range(5)]
    for path in paths:
        sign_package(path, signer)
    judge = judge_many([ring(work, key)], frozenset({key.fingerprint}))
    matched: Matched = {}
    assert set(verify_packages(paths, judge, digests=False, matched=matched).values()) == {None}
    assert len(matched) == 5
    path, data = paths[2], paths[2].read_bytes()
    match change:
        case "image":
            flipped(path)
        case "metadata":
            flipped(path, "/metadata.tar")
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "longer":
            path.write_bytes(data + b"x")
        case "unsigned":
            package(work, name=path.name)
        case "another":
            other = keys.new_key(work / "other")
            package(work, name=path.name)
            sign_package(path, GpgSigner(signing_key(other.home, None), other.home))
            keys.kill_agents(other.home)
        case "gone":
            path.unlink()
        case "link":
            path.rename(work / "elsewhere")
            path.symlink_to("elsewhere")
        case _:
            path.unlink()
            path.mkdir()
    wanted = verify_packages(paths, judge)
    assert wanted[path] is not None
    found = verify_packages(paths, judge, matched=matched)
    assert [(type(found[one]), str(found[one])) for one in paths] == [(type(wanted[one]), str(wanted[one])) for one in paths]


@pytest.mark.usefixtures("either")
def test_what_does_not_match_is_not_noted_and_the_verdict_stays(work: Path, key: Key, signer: GpgSigner) -> None:
    paths = [package(work, name=f"foo-1-{number}.gpkg.tar") for number in range(5)]
    for path in paths:
        sign_package(path, signer)
    flipped(paths[3])
    matched: Matched = {}
    # The payload is not part of this check, with or without notes.
    for notes in (None, matched):
        assert set(verify_packages(paths, accept, digests=False, matched=notes).values()) == {None}
    assert len(matched) == 4
    verdicts = verify_packages(paths, accept, matched=matched)
    assert [type(verdicts[path]) for path in paths] == [type(None)] * 3 + [DigestMismatchError, type(None)]


@pytest.mark.usefixtures("either")
def test_each_check_asks_its_own_judge(work: Path, key: Key, signer: GpgSigner) -> None:
    paths = [package(work, name=f"foo-1-{number}.gpkg.tar") for number in range(5)]
    for path in paths:
        sign_package(path, signer)
    matched: Matched = {}
    assert set(verify_packages(paths, accept, digests=False, matched=matched).values()) == {None}
    assert len(matched) == 5
    # The same bytes, and other keys: none at all, and one that is there but does not count.
    (work / "empty.gpg").touch()
    for rings, kind in (([work / "empty.gpg"], UnknownKeyError), ([ring(work, key)], UntrustedKeyError)):
        verdicts = verify_packages(paths, judge_many(rings, frozenset({"0" * 40})), matched=matched)
        assert [type(verdicts[path]) for path in paths] == [kind] * 5
    texts: list[bytes] = []

    def seen(some: Sequence[bytes], names: Sequence[str]) -> list[PortageExtError | None]:
        texts.extend(some)
        return accept(some, names)

    verify_packages(paths, seen)
    former = texts[:]
    texts.clear()
    verify_packages(paths, seen, matched=matched)
    assert texts == former


@pytest.mark.usefixtures("either")
def test_a_package_that_changes_while_it_is_read_again(
    work: Path, key: Key, signer: GpgSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = package(work)
    sign_package(path, signer)
    matched: Matched = {}
    verify_packages([path], accept, digests=False, matched=matched)
    assert len(matched) == 1
    whole = Source.unchanged

    def unchanged(source: Source) -> None:
        monkeypatch.setattr(Source, "unchanged", whole)
        flipped(path)
        os.utime(path)
        source.unchanged()

    monkeypatch.setattr(Source, "unchanged", unchanged)
    assert isinstance(verify_packages([path], accept, matched=matched)[path], DigestMismatchError)


def test_a_subkey_signs_when_it_is_asked_for(work: Path, changed_key: Key) -> None:
    key = changed_key
    keys.gpg(key.home, *QUICK, "--quick-add-key", key.fingerprint, "ed25519", "sign", "never")
    listing = keys.gpg(key.home, "--with-colons", "--list-keys").decode().splitlines()
    subkey = [line.split(":")[9] for line in listing if line.startswith("fpr:")][1]
    path = package(work)
    sign_package(path, GpgSigner(signing_key(key.home, subkey), key.home))
    assert verdict(path, work, key) is None
    sign_package(path, GpgSigner(signing_key(key.home, key.fingerprint), key.home))
    assert verdict(path, work, key) is None


def test_the_secret_key_stays_behind_a_forwarded_agent(work: Path, key: Key) -> None:
    # The builder's home has the public key and, in place of an agent, the restricted socket of the signer's agent:
    # what `ssh -R` brings from another machine.
    keys.gpg(key.home, *QUICK, "--armor", "--detach-sign", stdin=b"starts the agent")
    extra = subprocess.run(
        ["gpgconf", "--homedir", str(key.home), "--list-dirs", "agent-extra-socket"], capture_output=True, text=True, check=True
    ).stdout.strip()
    builder = work / "builder"
    builder.mkdir(mode=0o700)
    socket = subprocess.run(
        ["gpgconf", "--homedir", str(builder), "--list-dirs", "agent-socket"], capture_output=True, text=True, check=True
    ).stdout.strip()
    Path(socket).parent.mkdir(parents=True, exist_ok=True)
    Path(socket).unlink(missing_ok=True)
    Path(socket).write_text(f"%Assuan%\nsocket={extra}\n")
    (builder / "gpg.conf").write_text("no-autostart\n")
    keys.gpg(builder, "--import", stdin=key.public())
    assert not list(builder.glob("private-keys-v1.d/*"))
    try:
        path = package(work, 400_000)
        sign_package(path, GpgSigner(signing_key(builder, key.fingerprint), builder))
        assert verdict(path, work, key) is None
        exported = subprocess.run(
            ["gpg", "--homedir", str(builder), "--batch", "--export-secret-keys"], capture_output=True, check=False
        )
        assert exported.stdout == b""
    finally:
        Path(socket).unlink(missing_ok=True)


def test_a_key_without_an_exportable_secret(work: Path, changed_key: Key) -> None:
    key = changed_key
    # What a smartcard leaves in the home is a stub; a primary key that is a stub beside a subkey that signs is the same to gpg.
    keys.gpg(key.home, *QUICK, "--quick-add-key", key.fingerprint, "ed25519", "sign", "never")
    listing = keys.gpg(key.home, "--with-colons", "--list-keys").decode().splitlines()
    subkey = [line.split(":")[9] for line in listing if line.startswith("fpr:")][1]
    secret = keys.gpg(key.home, *QUICK, "--export-secret-subkeys", f"{subkey}!")
    home = work / "card"
    home.mkdir(mode=0o700)
    try:
        keys.gpg(home, "--import", stdin=secret)
        path = package(work)
        sign_package(path, GpgSigner(signing_key(home, subkey), home))
        assert verify_packages([path], judge_many([ring(work, key)], frozenset({key.fingerprint})))[path] is None
        with pytest.raises(GpgError):
            GpgSigner(SigningKey(f"{key.fingerprint}!", f"{key.fingerprint}!"), home).detach(b"x")
    finally:
        keys.kill_agents(home)
