"""Makes a PKGDIR of realistic gpkgs: what every measurement of the index runs on.

Names, layout, metadata files and their sizes follow what Portage writes for ordinary packages; the median file has about 61 KB.
The same arguments give the same packages. usage: python -m bench.packages PKGDIR COUNT [--signed GPGHOME] [--single]
"""

from __future__ import annotations

import argparse
import bz2
import hashlib
import io
import random
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import zstandard

from bench.openpgp import Signer
from portage_ext.model.contract import Need, SymbolContract

CATEGORIES: Final = """
app-admin app-arch app-crypt app-editors app-misc app-portage app-shells app-text dev-cpp dev-db dev-lang dev-libs
dev-perl dev-python dev-ruby dev-util dev-vcs games-misc gui-libs kde-apps kde-frameworks media-gfx
media-libs media-sound net-analyzer net-dns net-fs net-libs net-misc perl-core sci-libs sys-apps sys-devel
sys-fs sys-libs sys-process www-client www-servers x11-libs x11-misc
""".split()  # noqa: SIM905
_WORDS: Final = """
lib gtk qt core util net tiny fast json xml image audio video font crypt text plot data mesh sync mail log
""".split()  # noqa: SIM905
_FLAGS: Final = """
X acl alsa bluetooth cups dbus doc examples gtk jpeg nls pam png pulseaudio qt6 readline ssl systemd test
unicode wayland zlib
""".split()  # noqa: SIM905
_LIBRARIES: Final = """
libc.so.6 libm.so.6 libstdc++.so.6 libgcc_s.so.1 libz.so.1 libssl.so.3 libcrypto.so.3 libglib-2.0.so.0
libpng16.so.16
""".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Package:
    """One package to be made. ``files`` are the metadata files, ``payload`` the incompressible bytes of the image."""

    category: str
    pn: str
    version: str
    build_id: int
    files: dict[str, bytes]
    payload: int

    @property
    def pf(self) -> str:
        return f"{self.pn}-{self.version}"


def _atom(chance: random.Random) -> str:
    category, word = chance.choice(CATEGORIES), chance.choice(_WORDS)
    name = f"{category}/{word}{chance.choice(_WORDS)}{chance.randrange(8)}"
    kind = chance.randrange(6)
    if kind == 0:
        return f">={name}-{chance.randrange(1, 9)}.{chance.randrange(20)}"
    if kind == 1:
        return f"{name}:0/{chance.randrange(1, 9)}="
    if kind == 2:
        one, two = chance.sample(_FLAGS, 2)
        return f">={name}-{chance.randrange(1, 9)}.{chance.randrange(20)}[{one},{two}(-)]"
    return name


class _Tree:
    """The ebuild repository behind the packages: few dependencies are named by many, and the versions of one name share theirs.

    Portage evaluates USE conditionals when it builds, so that hardly any are left; any-of groups stay.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._atoms = [_atom(chance) for _ in range(6000)]

    def _pick(self) -> str:
        return self._atoms[int(len(self._atoms) * self._chance.random() ** 3)]

    def depend(self, most: int) -> str:
        tokens = sorted({self._pick() for _ in range(self._chance.randrange(most))})
        if self._chance.random() < 0.12:
            tokens.append(f"|| ( {self._pick()} {self._pick()} )")
        if self._chance.random() < 0.02:
            tokens.append(f"{self._chance.choice(_FLAGS)}? ( {self._pick()} )")
        return " ".join(tokens)


def packages(count: int, seed: int = 1, *, recorded: bool = True) -> Iterator[Package]:
    """``count`` packages: one to four versions and builds of each name; ``recorded``: with the contract of our hook."""
    chance = random.Random(seed)
    # The saved environment is the bulk of the metadata; making bzip2 streams is slow, and a few dozen are as good as many.
    environments = [
        bz2.compress(
            "".join(f"declare -x VAR_{n}={chance.getrandbits(48)}\n" for n in range(chance.randrange(600, 1400))).encode()
        )
        for _ in range(24)
    ]
    tree = _Tree(chance)
    made = 0
    number = 0
    while made < count:
        number += 1
        category = chance.choice(CATEGORIES)
        pn = f"{chance.choice(_WORDS)}{chance.choice(_WORDS)}{number}x"
        flags = sorted(chance.sample(_FLAGS, chance.randrange(1, 9)))
        depends = {"BDEPEND": tree.depend(6), "DEPEND": tree.depend(10), "RDEPEND": tree.depend(14)}
        for instance in range(min(chance.choice((1, 1, 2, 3, 4)), count - made)):
            version = f"{chance.randrange(1, 30)}.{chance.randrange(30)}.{instance}" + chance.choice(
                ("", "", "-r1", "_p2024", "-r12")
            )
            yield Package(
                category,
                pn,
                version,
                build_id=chance.choice((1, 1, 1, 2, 3)),
                files=_files(chance, category, f"{pn}-{version}", flags, environments, depends, recorded=recorded),
                payload=max(500, int(chance.lognormvariate(10.45, 0.8))),
            )
            made += 1


def _files(
    chance: random.Random,
    category: str,
    pf: str,
    flags: list[str],
    environments: list[bytes],
    depends: dict[str, str],
    *,
    recorded: bool,
) -> dict[str, bytes]:
    libraries = sorted(chance.sample(_LIBRARIES, chance.randrange(1, 7)))
    provided = f"lib{pf.partition('-')[0]}.so.{chance.randrange(9)}" if chance.random() < 0.4 else ""
    texts = {
        "BINPKGMD5": f"{chance.getrandbits(128):032x}",
        "BUILD_TIME": str(1_700_000_000 + chance.randrange(10_000_000)),
        "CATEGORY": category,
        "CBUILD": "x86_64-pc-linux-gnu",
        "CFLAGS": "-O2 -pipe -march=x86-64-v3",
        "CHOST": "x86_64-pc-linux-gnu",
        "CXXFLAGS": "-O2 -pipe -march=x86-64-v3",
        "DEFINED_PHASES": "compile configure install prepare test",
        "DESCRIPTION": f"A package that {' '.join(chance.sample(_WORDS, 5))}",
        "EAPI": chance.choice("788"),
        "FEATURES": "assume-digests binpkg-multi-instance buildpkg compress-index parallel-fetch sandbox userpriv",
        "HOMEPAGE": f"https://example.org/{pf}",
        "INHERITED": "multilib toolchain-funcs flag-o-matic meson ninja-utils xdg-utils",
        "IUSE": " ".join(flags),
        "IUSE_EFFECTIVE": " ".join(sorted({*_FLAGS, "amd64", "elibc_glibc", "kernel_linux"})),
        "KEYWORDS": "~alpha amd64 arm arm64 ~hppa ppc ppc64 ~riscv sparc x86",
        "LDFLAGS": "-Wl,-O1 -Wl,--as-needed",
        "LICENSE": chance.choice(("GPL-2", "GPL-2+ LGPL-2.1", "MIT", "|| ( Apache-2.0 MIT )", "BSD")),
        "PF": pf,
        "PROVIDES": f"x86_64: {provided}" if provided else "",
        **depends,
        "REQUIRES": f"x86_64: {' '.join(libraries)}",
        "RESTRICT": chance.choice(("", "", "test", "!test? ( test )")),
        **({"SYMBOL_CONTRACT": _contract(libraries, provided)} if recorded else {}),
        "SIZE": str(chance.randrange(10_000, 900_000)),
        "SLOT": chance.choice(("0", "0", "0", f"0/{chance.randrange(9)}", str(chance.randrange(1, 5)))),
        "USE": " ".join(sorted([*chance.sample(flags, len(flags) // 2), "amd64", "elibc_glibc", "kernel_linux"])),
        "repository": "gentoo",
        "NEEDED": f"/usr/bin/{pf} {','.join(libraries)}",
        "NEEDED.ELF.2": f"X86_64;/usr/bin/{pf};;;{','.join(libraries)};x86_64",
    }
    files = {name: f"{text}\n".encode() for name, text in texts.items() if text}
    files["environment.bz2"] = chance.choice(environments)
    files[f"{pf}.ebuild"] = b"".join(
        f"\tline {n} {chance.getrandbits(64):x}\n".encode() for n in range(chance.randrange(20, 160))
    )
    return files


def _contract(libraries: list[str], provided: str) -> str:
    """What our hook records when such a package is built."""
    glibc = frozenset(("GLIBC_2.2.5", "GLIBC_2.4", "GLIBC_2.14", "GLIBC_2.34"))
    needs = tuple(Need("x86_64", name, glibc if name == "libc.so.6" else frozenset()) for name in libraries)
    return str(SymbolContract(needs, {("x86_64", provided): frozenset()} if provided else {}))


def _tar(files: dict[str, bytes], mtime: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def container(package: Package, payload: Callable[[int], bytes], signer: Signer | None = None) -> bytes:
    """The bytes of the gpkg; with a ``signer``, signed as Portage signs: metadata, image and Manifest."""
    compress = zstandard.ZstdCompressor(level=3).compress
    members = {"gpkg-1": b""}
    archives = {
        "metadata.tar.zst": _tar({f"metadata/{name}": data for name, data in package.files.items()}, 1_700_000_000),
        "image.tar.zst": _tar({f"image/usr/lib64/{package.pn}.so": payload(package.payload)}, 1_700_000_000),
    }
    for name, data in archives.items():
        members[name] = compress(data)
        if signer is not None:
            members[f"{name}.sig"] = signer.detached(members[name])
    manifest = "".join(
        f"DATA {name} {len(data)} BLAKE2B {hashlib.blake2b(data).hexdigest()} SHA512 {hashlib.sha512(data).hexdigest()}\n"
        for name, data in members.items()
    )
    members["Manifest"] = manifest.encode() if signer is None else signer.clear(manifest)
    folder = f"{package.pf}-{package.build_id}"
    return _tar({f"{folder}/{name}": data for name, data in members.items()}, 1_700_000_000)


def build(
    pkgdir: Path, count: int, *, signer: Signer | None = None, multi: bool = True, seed: int = 1, recorded: bool = True
) -> None:
    """Write ``count`` packages below ``pkgdir``, in the multi-instance layout or the old one."""
    pool = random.Random(seed).randbytes(4 << 20)
    for number, package in enumerate(packages(count, seed, recorded=recorded)):
        package.files["BUILD_ID"] = f"{package.build_id}\n".encode()
        directory = pkgdir / package.category / (package.pn if multi else "")
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{package.pf}-{package.build_id}.gpkg.tar" if multi else f"{package.pf}.gpkg.tar"
        start = number * 7919 % (len(pool) // 2)
        data = container(package, lambda size, start=start: pool[start : start + size], signer)  # type: ignore[misc]
        (directory / name).write_bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pkgdir", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument(
        "--signed", type=Path, metavar="GPGHOME", help="sign with the ed25519 key in this home, made if missing"
    )
    parser.add_argument("--single", action="store_true", help="the layout without FEATURES=binpkg-multi-instance")
    options = parser.parse_args()
    signer = Signer.from_home(options.signed) if options.signed else None
    build(options.pkgdir, options.count, signer=signer, multi=not options.single)


if __name__ == "__main__":
    main()
