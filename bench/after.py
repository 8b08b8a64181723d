"""What work after emerge adds to an emerge that builds one small package on a binhost with 10,000 signed packages.

    python -m bench.after [WORK] [--count 10000] [--runs 5] [--version 3.0.83]

WORK keeps PKGDIR between calls. Every figure is the whole ``emerge -1``, one package that installs one file; "adds" is against
Portage alone in the same rounds. ``publish`` makes a release each time, with the gates `index` and `signatures`. Portage alone
has a PKGDIR of its own, of the same files: an index that it writes lacks what ours has, and the next run would restore that.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from bench import measure, packages
from bench.measure import Command, Figure
from bench.openpgp import Signer
from tests.testkit import environments, keys
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.keys import SigningKey
from tests.testkit.roots import Root

SETTINGS = """
[sign]
key = "{key}"
homedir = "{home}"
[publish]
tree = "{tree}"
gates = ["index", "signatures"]
keep = 3
keep-days = 0
grace-hours = 0
[binhost]
after-emerge = "{mode}"
"""


def host(work: Path, name: str, repository: EbuildRepository, pkgdir: Path, version: str, *, plugin: bool) -> Root:
    """A system that builds into ``pkgdir``."""
    environment = environments.environment(version, plugin=plugin)
    features = "buildpkg binpkg-multi-instance"
    return Root.create(work / name, environment, [repository], features=features, PKGDIR=str(pkgdir))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path, nargs="?", default=Path(".sandbox-bench/after"))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--version", default=environments.NEWEST)
    options = parser.parse_args()
    _, figures = measured(options.work, options.count, options.runs, options.version)
    floor = figures["Portage alone"]
    rows = [["emerge of one package", "wall s", "adds s", "cpu s", "peak MiB"]]
    for name, one in figures.items():
        rows.append([name, f"{one.seconds:.2f}", f"{one.seconds - floor.seconds:+.2f}", f"{one.cpu:.2f}", f"{one.mib:.0f}"])
    print(f"{options.count} packages, Portage {options.version}, medians of {options.runs}, load {os.getloadavg()[0]:.1f}")
    print(measure.table(rows), flush=True)


def measured(work: Path, count: int, runs: int, version: str = environments.NEWEST) -> tuple[Figure, dict[str, Figure]]:
    """The first run over ``count`` signed packages, and what each way takes afterwards."""
    work.mkdir(parents=True, exist_ok=True)
    kept = work.absolute() / f"signed-{count}"
    with tempfile.TemporaryDirectory(prefix="pe-", dir=work.parent, ignore_cleanup_errors=True) as short:
        # gpg's sockets need a short name; the key stays with the packages.
        gnupg = Path(tempfile.mkdtemp(prefix="pe-")) / "g"
        try:
            if not (kept / "complete").exists():
                shutil.rmtree(kept, ignore_errors=True)
                (kept / "binpkgs").mkdir(parents=True)
                packages.build(kept / "binpkgs", count, signer=Signer.from_home(gnupg))
                keys.kill_agents(gnupg)
                shutil.copytree(gnupg, kept / "gnupg", ignore=shutil.ignore_patterns("S.*"))
                (kept / "complete").touch()
            else:
                shutil.copytree(kept / "gnupg", gnupg)
            gnupg.chmod(0o700)
            listing = keys.gpg(gnupg, "--with-colons", "--list-secret-keys").decode()
            fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
            return compare(Path(os.path.abspath(short)), kept / "binpkgs", SigningKey(gnupg, fingerprint), runs, version)
        finally:
            keys.kill_agents(gnupg)
            shutil.rmtree(gnupg.parent)


def compare(work: Path, pool: Path, key: SigningKey, runs: int, version: str) -> tuple[Figure, dict[str, Figure]]:
    """What :func:`measured` returns."""
    work.chmod(0o755)
    repository = EbuildRepository.create(work / "repo")
    repository.data("app-misc/flags-1.0")
    pkgdir = work / "binpkgs"
    shutil.copytree(pool, pkgdir, copy_function=os.link, ignore=shutil.ignore_patterns("Packages*", ".portage-ext*"))
    other = work / "alone-binpkgs"
    alone = host(work, "alone", repository, other, version, plugin=False)
    ours = host(work, "ours", repository, pkgdir, version, plugin=True)
    gnupg = ours.path / "etc/portage/gnupg"
    keys.trust(gnupg, key)
    for root in (alone, ours):
        root.settings["BINPKG_GPG_VERIFY_GPG_HOME"] = str(gnupg)
        root.write_settings()

    def mode(word: str) -> None:
        ours.etc("portage-ext.toml", SETTINGS.format(key=key.fingerprint, home=key.home, tree=work / "tree", mode=word))

    mode("publish")
    first = Figure.of([measure.once(Command("first", ("portage-ext", "after-emerge"), ours.variables()))])
    ignored = shutil.ignore_patterns("Packages*", ".portage-ext*")
    shutil.copytree(pkgdir, other, copy_function=os.link, ignore=ignored, dirs_exist_ok=True)
    for name in ("Packages", "Packages.gz"):
        shutil.copy2(pkgdir / name, other / name)
    commands = [Command("Portage alone", [str(alone.environment.bin / "emerge"), "-1", "app-misc/flags"], alone.variables())]
    for word in ("off", "index", "publish"):
        emerge = [str(ours.environment.bin / "emerge"), "-1", "app-misc/flags"]
        commands.append(Command(word, emerge, ours.variables(), lambda word=word: mode(word)))  # type: ignore[misc]
    return first, measure.compare(commands, runs)


if __name__ == "__main__":
    main()
