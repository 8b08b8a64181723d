"""The readers of texts: indexes, releases, settings, states, and what gpg and other programs say."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard

from portage_ext import limits
from portage_ext.config import binrepos, package_env, settings, toolchain, unattended
from portage_ext.elf.system import System
from portage_ext.errors import PortageExtError
from portage_ext.fleet import document
from portage_ext.fleet.document import Document, Profile
from portage_ext.index.blocks import Row, make_block
from portage_ext.index.expand import expand
from portage_ext.index.stamp import parse_timestamp
from portage_ext.index.text import parse_index
from portage_ext.model import builder, delta, provenance
from portage_ext.model.contract import SymbolContract
from portage_ext.model.entry import IndexEntry
from portage_ext.model.release import IndexFile, Release
from portage_ext.pkgdir import cache as repo_state
from portage_ext.releases import contents, note
from portage_ext.targets import capture
from portage_ext.targets.store import laid_out
from portage_ext.trust import entries, keyrings, known_index, metadata, openpgp, release
from portage_ext.trust.memory import Memory, StateDirectory
from portage_ext.unattended import heads, log, marks
from tests.system.fuzz.judging import Target
from tests.unit.targets import examples

FPR = "0123456789ABCDEF0123456789ABCDEF01234567"
DIGESTS = {name: "ab" * (size // 2) for name, size in (("MD5", 32), ("SHA1", 40), ("BLAKE2B", 128), ("SHA512", 128))}
ENTRY = "".join(
    f"{key}: {value}\n"
    for key, value in {
        "BUILD_ID": "1",
        "BUILD_TIME": "1700000000",
        "CPV": "app-misc/foo-1",
        "DEFINED_PHASES": "install",
        "EAPI": "8",
        "IUSE": "a +b",
        "KEYWORDS": "amd64",
        "LICENSE": "GPL-2",
        "PATH": "app-misc/foo/foo-1-1.gpkg.tar",
        "RDEPEND": "|| ( a/b c/d )",
        "REPO": "tiny",
        "SIZE": "20480",
        "SLOT": "0/2",
        "SYMBOL_CONTRACT": "1 > x86_64 libc.so.6:GLIBC_2.34",
        "USE": "a b",
        **DIGESTS,
    }.items()
).encode()
INDEX = b"ARCH: amd64\nPACKAGES: 2\nTIMESTAMP: 1700000000\nTTL: 0\nURI: http://h/b\nVERSION: 0\nrepository: tiny\n\n" + (
    ENTRY + b"\n" + ENTRY.replace(b"foo", b"bar") + b"\n"
)
INDEX_WORDS = (b"CPV: ", b"PATH: ", b"SIZE: ", b"BUILD_ID: ", b"REPO: ", b"TIMESTAMP: ", b"TTL: ", b"URI: http://[::1", b"\n\n")


@contextlib.contextmanager
def written(*names: str) -> Iterator[Callable[[bytes], Path]]:
    """A folder, and a function that writes bytes as the files ``names`` in it and returns it."""
    with tempfile.TemporaryDirectory(prefix="pe-fuzz-") as made:
        folder = Path(made)

        def write(data: bytes) -> Path:
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
            return folder

        yield write


def in_files(*names: str) -> Callable[[Callable[[Path], object]], Callable[[bytes], None]]:
    """Makes a reader of the files ``names`` below a folder one of bytes."""

    def make(read: Callable[[Path], object]) -> Callable[[bytes], None]:
        def call(data: bytes) -> None:
            with written(*names) as write:
                read(write(data))

        return call

    return make


def index(data: bytes) -> None:
    header, found = parse_index(io.BytesIO(data))
    parse_timestamp(header.get("TIMESTAMP", ""))
    for entry in found:
        _ = entry.slot, entry.repository, entry.strong_digests
        for read in (lambda one: one.cpv, lambda one: one.path, lambda one: one.size, lambda one: one.build_id):
            with contextlib.suppress(PortageExtError):
                read(entry)


def offered(data: bytes) -> None:
    """An index as a binhost offers it: what is kept of it is read again from memory."""
    header, found = parse_index(io.BytesIO(data))
    with contextlib.suppress(PortageExtError):
        entries.check_header("lab", header, ["http://h/b"], 1_700_000_000)
    text = entries.sanitise("lab", header, found, strong=bool(len(data) % 2)).text(1)
    known_index.find_entry(known_index.mark_bound(text, 1), "app-misc/foo/foo-1-1.gpkg.tar")
    contents.parse(text, "Packages")


def published(data: bytes) -> None:
    found = contents.parse(data, "Packages")
    for path in found.entries:
        found.entry(path)


def identity(data: bytes) -> None:
    """Dependencies of the index beside those of the package."""
    entry = IndexEntry({"RDEPEND": data.decode("utf-8", "replace"), "CPV": "a/b-1"})
    metadata.check_metadata("x", entry, {"RDEPEND": "|| ( a/b c/d ) a? ( e/f )", "USE": "a"})


def expanded(form: str) -> Callable[[bytes], object]:
    return lambda data: expand(form, data, limits.MAX_OFFERED_INDEX, "lab")


def releases() -> list[bytes]:
    digest = "ab" * 64
    files = (IndexFile("Packages", 100, digest, digest), IndexFile("Packages.gz", 50, digest, digest))
    made = Release("lab", "production", 42, 1_700_000_000, 1_700_086_400, (), files)
    keyed = Release("lab", "production", 2**53, 1_700_000_000, 1_700_086_400, (FPR, FPR[::-1]), files[:1])
    return [release.emit(made), release.emit(keyed)]


STATUS = [
    f"[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG {FPR[-16:]} T\n[GNUPG:] VALIDSIG {FPR} 2023-11-14 1700000000 0 4 0"
    f" 22 10 00 {FPR}\n[GNUPG:] TRUST_ULTIMATE 0 pgp\n".encode(),
    f"[GNUPG:] ERRSIG {FPR[-16:]} 22 10 00 1700000000 9 {FPR}\n[GNUPG:] NO_PUBKEY {FPR[-16:]}\n".encode(),
    f"[GNUPG:] BADSIG {FPR[-16:]} x\n[GNUPG:] EXPKEYSIG {FPR[-16:]} x\n".encode(),
]


def status_lines(data: bytes) -> None:
    openpgp.judge(openpgp.signatures(data.decode("utf-8", "replace").splitlines()), frozenset({FPR}), "x")


def trust_state(folder: Path) -> object:
    return StateDirectory(folder, "lab").load()


def memories() -> list[bytes]:
    from portage_ext.trust.machine import Seen

    found = []
    for seen in (None, Seen("lab", "production", 4, 1_700_000_000, "ab" * 64, FPR, frozenset({FPR}), frozenset({FPR}))):
        with tempfile.TemporaryDirectory(prefix="pe-fuzz-") as made:
            directory = StateDirectory(Path(made), "lab")
            directory.save(Memory(seen, 1_700_000_000, 1_700_000_000, "ab" * 64))
            found.append(directory.memory_file.read_bytes())
    return found


def states() -> list[bytes]:
    row = Row("app-misc/foo/foo-1-1.gpkg.tar", 10, 10**18, 7, "app-misc/foo-1", "1 1700000000")
    state = repo_state.State("c", {"ARCH": "amd64"}, 1, {}, [make_block([row], [ENTRY])])
    with tempfile.TemporaryDirectory(prefix="pe-fuzz-") as made:
        repo_state.Saving(Path(made), ()).commit(state, mode=0o644, group=None)
        # As somebody writes it who knows the checksums: nested, endless, of other types.
        whole = (Path(made) / repo_state.NAME).read_bytes()
        found = [whole]
        for key, value in (
            ("header", "[" * 100_000),
            ("timestamp", "Infinity"),
            ("forms", '{"Packages": [1]}'),
            ("header", "7"),
        ):
            with contextlib.closing(sqlite3.connect(Path(made) / repo_state.NAME, isolation_level=None)) as database:
                database.execute("UPDATE meta SET value = ?, crc = ? WHERE key = ?", (value, repo_state._crc(key, value), key))
            found.append((Path(made) / repo_state.NAME).read_bytes())
            (Path(made) / repo_state.NAME).write_bytes(whole)
    return found


def row_of_texts(folder: Path) -> None:
    binrepos.mistakes(folder)
    binrepos.place(folder, "lab", "sync-uri")


def all_settings(folder: Path) -> None:
    for load in (settings.load, toolchain.configured_mode, unattended.after_emerge_configured):
        with contextlib.suppress(PortageExtError):
            load(folder)


def loader(folder: Path) -> object:
    return System(folder).directories


TOML = (
    b'toolchain = "enforce"\n[fetch]\ntimeout = 30\nretries = 2\n[binrepo.lab]\nrelease = "optional"\nmirrors = ["u"]\n'
    b'[publish]\ntree = "/srv"\nkeep = 3\ngates = ["signatures"]\n'
    b'[publish.channel.staging]\nkeep-days = 1.5\n[mirror.m]\nto = "h:/x"\n'
    b'[sign]\nkey = "AB"\njobs = 2\n[binhost]\nafter-emerge = "publish"\n[postsync]\njob = ["true"]\n'
)
TOML_WORDS = (
    b"[[",
    b"[[[[",
    b"{a=",
    b"'''",
    b'"""',
    b"1979-05-27T07:32:00Z",
    b"inf",
    b"-inf",
    b"nan",
    b"a.b.c",
    b"\\u0000",
    b"0o7",
)
JSON_WORDS = (b"[", b"{", b'{"a":', b"NaN", b"Infinity", b"-Infinity", b"1e999", b'"\\ud800"', b"\\u0000", b"null", b"true")
TRUST = "var/lib/portage-ext/trust/lab.json"
RUN = log.Run(1, "publish", True, "release 4", 4, 1.5).emit()
NOTE = note.Note(4, "pkgdir", {"a/b-1.gpkg.tar": 1_700_000_000}).emit()
BUILDER = builder.Builder(arch="amd64", cflags=("-O2",), use_expand={"x": ("y",)}, cpu_level=3).emit()
RECORD = provenance.Record("a/b-1", "tiny", "", "", {"blake2b": "ab"}, distfiles={"a.tar": {"sha512": "cd"}})
DELTA = delta.Delta("ab" * 64, 1000, "cd" * 64, 900, 5000, "ef" * 64, 50, 300, 200, 6000, delta.Compressor("1.5.4", 9, 27))
STATEMENT = provenance.Statement("a/b/b-1-1.gpkg.tar", {"blake2b": "ef"}, "a/b-1", "1", "1", "host", RECORD)
CONFIG = Document({"desk": Profile("gentoo:x", {"parent": "gentoo:x\n", "package.use": "a/b c\n"})}).emit()
BINREPOS = b"[DEFAULT]\npriority = 1\n[lab]\nsync-uri = http://h/b\nlocation = %(EROOT)s/x\nverify-signature = true\n"
CONTRACT = (
    b"1 > x86_64 libc.so.6:GLIBC_2.2.5,GLIBC_2.34 ?libhost.so.2 / x86_64 /usr/lib64/app < x86_64 libfoo%20.so.1:FOO_1",
    b"1",
)
CONFIGURATION = "etc/portage/portage-ext.toml"

TARGETS = (
    Target("index", lambda: [INDEX], index, words=INDEX_WORDS),
    Target("index-offered", lambda: [INDEX], offered, words=INDEX_WORDS),
    Target("index-published", lambda: [INDEX], published, words=INDEX_WORDS),
    Target(
        "index-gz", lambda: [gzip.compress(INDEX, mtime=0) * 2], expanded("Packages.gz"), words=(gzip.compress(b"", mtime=0),)
    ),
    Target(
        "index-zst",
        lambda: [zstandard.ZstdCompressor().compress(INDEX) * 2, zstandard.ZstdCompressor().compress(bytes(8 << 20))],
        expanded("Packages.zst"),
        words=(b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"),
    ),
    Target("release", releases, release.parse, words=(b"Keys-Next: ", b"Index: ", b"Version: ", b"0000-00-00T00:00:00Z")),
    Target(
        "dependencies",
        lambda: [b"|| ( a/b c/d ) a? ( e/f ) !a? ( g/h )"],
        identity,
        words=(b"(", b")", b"||", b"^^", b"??", b"a?"),
    ),
    Target(
        "gpg-status", lambda: STATUS, status_lines, words=(b"[GNUPG:] ", b"VALIDSIG ", b"GOODSIG ", b"BADSIG ", FPR.encode())
    ),
    Target("trust-state", memories, in_files(TRUST)(trust_state), words=JSON_WORDS),
    Target(
        "pins",
        lambda: [f"{FPR}\n# x\n".encode()],
        in_files(f"{keyrings.TRUST_DIRECTORY}/lab.pins")(lambda folder: keyrings.TrustDirectory(folder).pins("lab")),
    ),
    Target(
        "removed-roots",
        lambda: [f"{FPR}\n# x\n".encode()],
        in_files(f"{keyrings.TRUST_DIRECTORY}/lab.removed")(
            lambda folder: keyrings.TrustDirectory(folder).removed_roots("lab")
        ),
    ),
    Target("index-state", states, in_files(repo_state.NAME)(repo_state.load), (repo_state.DamagedStateError,)),
    Target("note", lambda: [NOTE], in_files("n")(lambda folder: note.read_note(folder / "n", 1)), words=JSON_WORDS),
    Target(
        "runs",
        lambda: [RUN * 2, b"\n" * 400_000],
        in_files(log.RUNS_FILE)(lambda folder: (log.read(folder), log.last(folder))),
        (),
        JSON_WORDS,
    ),
    Target(
        "heads",
        lambda: [json.dumps({"a": "git 0"}).encode()],
        in_files("h")(lambda folder: heads.load(folder / "h")),
        (),
        JSON_WORDS,
    ),
    Target(
        "repository-head",
        lambda: [b"ref: refs/heads/main", b"gitdir: .git"],
        in_files(".git/HEAD", ".git/packed-refs")(heads.head),
        (),
    ),
    Target("marks", lambda: [b"/var/cache/binpkgs"], in_files(f"{marks.MARKS_DIRECTORY}/run.1.x")(marks.free), ()),
    Target(
        "capture",
        lambda: [examples.target().emit()],
        lambda data: laid_out(capture.parse(data, "x")),
        words=(*JSON_WORDS, *(name.encode() for name in examples.target().__slots__)),
    ),
    Target("builder", lambda: [BUILDER], lambda data: builder.parse(data, "x"), words=JSON_WORDS),
    Target("provenance", lambda: [STATEMENT.emit()], lambda data: provenance.statement(data, "x"), words=JSON_WORDS),
    Target(
        "provenance-record",
        lambda: [RECORD.emit().encode()],
        lambda data: provenance.record(data.decode("utf-8", "replace"), "x"),
        words=JSON_WORDS,
    ),
    Target("deltas", lambda: [delta.emit([DELTA])], lambda data: delta.parse(data, "x"), words=JSON_WORDS),
    Target("config", lambda: [CONFIG], lambda data: document.parse(data, "x"), words=JSON_WORDS),
    Target(
        "builder-binding",
        lambda: [builder.binding(BUILDER).encode()],
        lambda data: builder.bound_size(data.decode("utf-8", "replace"), "x"),
    ),
    Target(
        "contract",
        lambda: CONTRACT,
        lambda data: SymbolContract.parse(data.decode("utf-8", "replace")),
        words=(b" > ", b" / ", b"%2F"),
    ),
    Target("settings", lambda: [TOML], in_files(CONFIGURATION)(all_settings), words=TOML_WORDS),
    Target(
        "binrepos",
        lambda: [BINREPOS],
        in_files(f"{binrepos.BINREPOS}/a.conf")(row_of_texts),
        (),
        (b"[lab]", b"[DEFAULT]", b"%(", b")s", b"%(location)s", b"\n ", b"key"),
    ),
    Target(
        "package-env",
        lambda: [b"app-misc/foo getbinpkg.conf # x\n*/* a b\n"],
        in_files("p")(lambda folder: package_env.read_package_env(folder / "p")),
        (),
        (b"#", b"=a/b-1::r", b"x.conf"),
    ),
    Target(
        "loader-conf",
        lambda: [b"include ld.so.conf.d/*.conf\n/usr/lib64\nhwcap 1 x\n"],
        in_files("etc/ld.so.conf", "etc/ld.so.conf.d/a.conf", "etc/ld-musl-x.path")(loader),
        (),
        (b"include ", b"*", b"[", b"/etc/"),
    ),
)
