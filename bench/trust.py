"""Signing, verifying and fetching, beside Portage's own tools and wget, in one run.

    python -m bench.trust [COUNT] [MEGABYTES] [RUNS] [signing|large|verifying|fetching ...]

COUNT small packages (median 61 KB) and one package of MEGABYTES. Every figure is whole processes, medians of RUNS; where a
peer would take minutes it is measured on a sample and given for each package.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.measure import Command, Figure, compare, table
from bench.nginx import nginx
from bench.packages import container, packages
from portage_ext.index.text import parse_index
from portage_ext.trust.entries import sanitise
from portage_ext.trust.known_index import mark_bound
from portage_ext.trust.memory import StateDirectory
from tests.testkit import binpkgs, ebuilds, environments, keys
from tests.testkit.keys import SigningKey
from tests.testkit.roots import Root

SAMPLE: Final = 40
_RESIGN: Final = """
import sys, portage
from portage import gpkg
for path in sys.argv[1:]:
    gpkg.gpkg(settings=portage.settings, gpkg_file=path).update_signature()
"""
_VERIFY: Final = """
import sys, portage
from portage import gpkg
for path in sys.argv[1:]:
    gpkg.gpkg(settings=portage.settings, gpkg_file=path, verify_signature=True)._verify_binpkg()
"""


def main() -> None:
    """Measure and print the tables."""
    parts = [word for word in sys.argv[1:] if not word.isdigit()] or ["signing", "large", "verifying", "fetching"]
    given = [int(word) for word in sys.argv[1:] if word.isdigit()]
    count, megabytes, runs = (*given, *(1000, 500, 5)[len(given) :])
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        work.chmod(0o755)
        key = keys.new_key(work / "key")
        try:
            bench = _Bench(work, key, runs)
            bench.make(count, megabytes)
            rows: list[tuple[str, ...]] = [("work", "seconds each", "peak MiB", "against")]
            for part in parts:
                rows += getattr(bench, part)()
            print(table(rows))
        finally:
            keys.kill_agents(key.home)


class _Bench:
    """One system with packages to sign, and a key."""

    def __init__(self, work: Path, key: SigningKey, runs: int) -> None:
        self.work = work
        self.key = key
        self.runs = runs
        self.root = Root.create(
            work / "r",
            environments.environment(),
            [ebuilds.standard(work / "repo")],
            features="binpkg-signing",
            BINPKG_GPG_VERIFY_GPG_HOME=str(work / "gnupg"),
            BINPKG_GPG_SIGNING_GPG_HOME=str(key.home),
            BINPKG_GPG_SIGNING_KEY=f"0x{key.fingerprint}",
            BINPKG_GPG_SIGNING_BASE_COMMAND=f"/usr/bin/flock {work}/lock /usr/bin/gpg --sign --armor [PORTAGE_CONFIG]",
        )
        keys.trust(work / "gnupg", key)
        self.big = work / "big-1-1.gpkg.tar"
        self.sign = ("portage-ext", "sign", "--key", key.fingerprint, "--homedir", str(key.home))

    def make(self, count: int, megabytes: int) -> None:
        for package in packages(count):
            path = self.root.pkgdir / package.category / package.pn / f"{package.pf}-{package.build_id}.gpkg.tar"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(container(package, os.urandom))
        self.small = sorted(str(path) for path in self.root.pkgdir.rglob("*.gpkg.tar"))
        self.big.write_bytes(
            binpkgs.gpkg(
                binpkgs.metadata("app-misc/big-1", BUILD_ID="1"), image=os.urandom(megabytes << 20), compression="none"
            )
        )
        self.sample = len(self.small[:SAMPLE])
        self.pristine = self.work / "pristine"
        shutil.copytree(self.root.pkgdir, self.pristine)
        shutil.copy(self.big, self.work / "big.pristine")

    def _command(self, name: str, *words: str, before: Callable[[], None] = lambda: None) -> Command:
        return Command(name, words, self.root.variables(), before)

    def _fresh(self) -> None:
        shutil.rmtree(self.root.pkgdir)
        shutil.copytree(self.pristine, self.root.pkgdir)
        os.sync()

    def _fresh_large(self) -> None:
        shutil.copy(self.work / "big.pristine", self.big)
        os.sync()

    def signed(self) -> dict[str, Figure]:
        """Signing all small packages; gpkg-sign signs one, Portage and gpg SAMPLE of them."""
        few = self.small[:SAMPLE]
        return compare(
            [
                self._command("ours", *self.sign, "--no-index", before=self._fresh),
                self._command("indexed", *self.sign, before=self._fresh),
                self._command("gpkg-sign", "gpkg-sign", few[0], before=self._fresh),
                self._command("Portage", "python3", "-c", _RESIGN, *few, before=self._fresh),
                self._gpg(self.key.home, f"--local-user {self.key.fingerprint} --clear-sign"),
            ],
            self.runs,
        )

    def signing(self) -> list[tuple[str, ...]]:
        found = self.signed()
        each = {name: figure.seconds / len(self.small) for name, figure in found.items()}
        each["gpkg-sign"] = found["gpkg-sign"].seconds
        each["Portage"] = found["Portage"].seconds / self.sample
        return [
            _row(f"sign {len(self.small)} small: gpkg-sign, one a file", each["gpkg-sign"], found["gpkg-sign"], None),
            _row("  Portage, one process", each["Portage"], found["Portage"], each["gpkg-sign"]),
            _row("  portage-ext sign --no-index", each["ours"], found["ours"], each["gpkg-sign"]),
            _row("    against Portage in one process", each["ours"], found["ours"], each["Portage"]),
            _row("  portage-ext sign, index included", each["indexed"], found["indexed"], each["gpkg-sign"]),
        ]

    def signed_large(self) -> dict[str, Figure]:
        return compare(
            [
                self._command("gpkg-sign", "gpkg-sign", str(self.big), before=self._fresh_large),
                self._command("ours", *self.sign, str(self.big), before=self._fresh_large),
            ],
            min(self.runs, 3),
        )

    def large(self) -> list[tuple[str, ...]]:
        found = self.signed_large()
        size = self.big.stat().st_size >> 20
        return [
            _row(f"sign one of {size} MB: gpkg-sign", found["gpkg-sign"].seconds, found["gpkg-sign"], None),
            _row("  portage-ext sign", found["ours"].seconds, found["ours"], found["gpkg-sign"].seconds),
        ]

    def verified(self) -> dict[str, Figure]:
        """Verifying all small packages, which are signed first; Portage and gpg verify SAMPLE of them."""
        subprocess.run([*self.sign], env=self.root.variables(), check=True, capture_output=True)
        few = self.small[:SAMPLE]
        return compare(
            [
                self._command("Portage", "python3", "-c", _VERIFY, *few),
                self._command("start", "python3", "-c", _VERIFY),
                self._gpg(self.work / "gnupg", "--verify"),
                self._command("ours", *self.sign, "--check"),
            ],
            self.runs,
        )

    def verifying(self) -> list[tuple[str, ...]]:
        found = self.verified()
        portage = (found["Portage"].seconds - found["start"].seconds) / self.sample
        ours = found["ours"].seconds / len(self.small)
        return [
            _row(f"verify {len(self.small)} small: Portage, one process, without its start", portage, found["Portage"], None),
            _row("  portage-ext sign --check, with its start", ours, found["ours"], portage),
        ]

    def _gpg(self, home: Path, options: str) -> Command:
        """gpg alone, one process for each Manifest of SAMPLE packages as they are now."""
        place = self.work / "manifests"
        place.mkdir(exist_ok=True)
        for number, path in enumerate(self.small[:SAMPLE]):
            with tarfile.open(path) as archive:
                member = archive.extractfile(next(name for name in archive.getnames() if name.endswith("/Manifest")))
                (place / str(number)).write_bytes(member.read() if member else b"")
        gpg = f"gpg --homedir {home} --batch --yes --no-tty --output /dev/null {options}"
        return self._command("gpg", "sh", "-ec", f'for one in {place}/*; do {gpg} "$one"; done')

    def fetches(self) -> Iterator[tuple[str, int, list[Command], int]]:
        """A small and the large package: title, bytes, wget and ours, and how often; while a server has them."""
        served = self.work / "served"
        path, large = "app-misc/hello/hello-1.1-1.gpkg.tar", "app-misc/big/big-1-1.gpkg.tar"
        for name, data in (
            (path, binpkgs.gpkg(binpkgs.metadata("app-misc/hello-1.1", BUILD_ID="1"), image=os.urandom(60_000))),
            (large, self.big.read_bytes()),
        ):
            (served / name).parent.mkdir(parents=True, exist_ok=True)
            (served / name).write_bytes(data)
        self._remember(served, {path: "app-misc/hello-1.1", large: "app-misc/big-1"})
        with nginx(self.work, served) as url:
            for title, one, runs in (("small", path, self.runs * 4), ("large", large, self.runs)):
                output = str(self.work / "fetched")
                new = partial(Path(output).unlink, missing_ok=True)  # Emerge fetches into a new file.
                fetch = ("portage-ext", "fetch", "--repo", "lab", "--root", str(self.work), "--config-root", str(self.work))
                commands = [
                    self._command("wget", "wget", "-q", "-O", output, f"{url}/{one}", before=new),
                    self._command("ours", *fetch, "--uri", f"{url}/{one}", "--output", output, before=new),
                ]
                yield title, (served / one).stat().st_size, commands, runs

    def fetching(self) -> list[tuple[str, ...]]:
        rows = []
        for title, size, commands, runs in self.fetches():
            found = compare(commands, runs)
            rows.append(_row(f"fetch {size / 1e6:.1f} MB ({title}): wget", found["wget"].seconds, found["wget"], None))
            rows.append(_row("  portage-ext fetch", found["ours"].seconds, found["ours"], found["wget"].seconds))
            more = (found["ours"].seconds - found["wget"].seconds) * 1000
            rates = " and ".join(f"{size / found[name].seconds / 1e6:.0f}" for name in ("wget", "ours"))
            rows.append((f"    {more:+.1f} ms; {rates} MB/s", "", "", ""))
        return rows

    def _remember(self, served: Path, files: dict[str, str]) -> None:
        """The verified index of the binrepo, as a run of emerge would have left it."""
        text = "TIMESTAMP: 1\n\n"
        for path, cpv in files.items():
            data = (served / path).read_bytes()
            digests = binpkgs.record(path, data).split()
            text += f"CPV: {cpv}\nPATH: {path}\nBUILD_ID: 1\nSIZE: {len(data)}\nBLAKE2B: {digests[4]}\nSHA512: {digests[6]}\n"
            text += "REPO: tiny\nEAPI: 8\nKEYWORDS: amd64\nCHOST: x86_64-pc-linux-gnu\nBUILD_TIME: 1700000000\n\n"
        header, offered = parse_index(io.BytesIO(text.encode()))
        state = StateDirectory(self.work, "lab")
        state.make_directory()
        text_of = sanitise("lab", header, offered, strong=True).text(1)
        state.index_file.write_bytes(mark_bound(text_of, 1))


def _row(work: str, each: float, figure: Figure, against: float | None) -> tuple[str, ...]:
    return work, f"{each:.4f}", f"{figure.mib:.0f}", "" if against is None else f"{against / each:.1f} times"


if __name__ == "__main__":
    main()
