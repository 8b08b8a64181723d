"""Virtual environments with one Portage each, kept below ``.cache`` of the checkout and made when first asked for.

An environment is *plain* (Portage alone) or carries the plugin, which is installed from a wheel of this checkout exactly
as an administrator would, and again whenever a source file changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from portage_ext.explain.supported import TESTED
from tests.testkit import requirements

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("PORTAGE_EXT_CACHE", CHECKOUT / ".cache"))
if any(map(str.isspace, str(CACHE))) or CACHE.is_relative_to("/tmp"):
    # Portage hands paths of keyrings to gpg unquoted, and a build in a cage has a /tmp of its own: the cache lies elsewhere,
    # and a link stands in its place.
    _LINK, CACHE = CACHE, Path("/var/tmp") / f"portage-ext-cache.{hashlib.sha256(bytes(CACHE)).hexdigest()[:12]}"
    if _LINK.is_symlink():
        # As it was made, whatever TMPDIR says now.
        CACHE = _LINK.readlink()
    CACHE.mkdir(mode=0o755, exist_ok=True)
    if CACHE.is_symlink() or CACHE.stat().st_uid != os.getuid():
        raise SystemExit(f"{CACHE} belongs to somebody else; set PORTAGE_EXT_CACHE to a folder of your own")
    if not _LINK.is_symlink():
        _LINK.symlink_to(CACHE)
SUPPORTED = TESTED
NEWEST = SUPPORTED[-1]
PROGRAMS = ("ebuild", "egencache", "emaint", "emerge", "portage-ext", "portageq", "quickpkg")
_UPGRADE = 2.0
"""Seconds for which new files of portage-ext count as an upgrade (_MARGIN in portage_ext/emerge/forked_fetch)."""
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
WHEEL_DIRECTORIES = ("portage_ext", "dropin", "bashrc.d", "etc", "man", "setup.d")
WHEEL_FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "setup_hooks.sh")


@dataclass(frozen=True, slots=True)
class Environment:
    """A Portage with its programs. ``prefix`` is what ``sys.prefix`` is inside."""

    prefix: Path
    version: str
    plugin: bool

    @property
    def bin(self) -> Path:
        return self.prefix / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python3"

    @property
    def tools(self) -> Path:
        return CACHE / "toolchain"

    def script(self, program: str) -> Path | None:
        """The file that Python executes for ``program``, if it is one of Portage's or portage-ext."""
        place = self.bin if program == "portage-ext" else self.prefix / "lib/portage/bin"
        return place / program if program in PROGRAMS and (place / program).is_file() else None

    @property
    def no_checks(self) -> Path:
        """An empty file for each of Portage's QA checks."""
        return self.prefix / "no-qa-checks"

    @property
    def site_packages(self) -> Path:
        return next((self.prefix / "lib").glob("python3*/site-packages"))


@contextlib.contextmanager
def locked(name: str) -> Iterator[Path]:
    """Hold a lock below the cache, so that parallel test workers make a thing once. Whatever ends this process frees it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _held.add(file)
        try:
            yield CACHE
        finally:
            _held.discard(file)


_held: set[IO[str]] = set()


def _let_go() -> None:
    """In a forked child, which may live longer than this process: a program that is executed does not have the files anyway."""
    for file in _held:
        file.close()
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


@functools.cache
def source_digest() -> str:
    """A digest of everything that goes into the wheel, as it was when these tests began: hundreds of tests ask for it."""
    digest = hashlib.sha256()
    files = [CHECKOUT / name for name in WHEEL_FILES]
    files += sorted(p for d in WHEEL_DIRECTORIES for p in (CHECKOUT / d).rglob("*") if p.suffix != ".pyc" and p.is_file())
    for file in files:
        if file.is_file():
            digest.update(str(file.relative_to(CHECKOUT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def wheel() -> Path:
    """A wheel of this checkout as it is now. The build runs in a copy, so that the checkout stays clean."""
    directory = CACHE / f"wheel-{source_digest()}"
    with locked("wheel"):
        if not directory.is_dir():
            builder = _create(CACHE / "builder", ["setuptools>=64", "wheel"])
            for old in CACHE.glob("wheel-*/"):
                shutil.rmtree(old)
            partial = CACHE / "wheel.partial"
            shutil.rmtree(partial, ignore_errors=True)
            source = partial / "source"
            source.mkdir(parents=True)
            for name in WHEEL_DIRECTORIES:
                shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            for name in WHEEL_FILES:
                shutil.copy(CHECKOUT / name, source)
            _run([builder, *PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", partial / "dist", source])
            (partial / "dist").rename(directory)
            shutil.rmtree(partial)
    return next(directory.glob("*.whl"))


def environment(version: str = NEWEST, *, plugin: bool = True) -> Environment:
    """Portage ``version`` from PyPI, with this checkout's plugin or plain. Makes it when it is not there yet."""
    with locked("toolchain"):
        requirements.link_toolchain(CACHE / "toolchain")
    name = f"portage-{version}{'' if plugin else '-plain'}"
    found = Environment(CACHE / name, version, plugin)
    stamp = found.prefix / "plugin.stamp"
    with locked(name):
        dependencies = ["zstandard", "python-gnupg", "requests", "packaging", "rich"] if plugin else []
        _create(found.prefix, [f"portage=={version}", *dependencies])
        found.no_checks.mkdir(exist_ok=True)
        for check in (found.prefix / "lib/portage/bin/install-qa-check.d").iterdir():
            (found.no_checks / check.name).touch()
        if plugin and (not stamp.exists() or stamp.read_text() != source_digest()):
            _run([found.python, *PIP, "install", "--no-deps", "--force-reinstall", wheel()])
            _settled(found.site_packages / "portage_ext")
            stamp.write_text(source_digest())
    return found


def _settled(package: Path) -> None:
    """Wait until no emerge that begins takes its files for an unfinished upgrade, in which nothing is fetched in forks."""
    newest = max(path.stat().st_ctime for path in package.rglob("*"))
    while (left := newest + _UPGRADE - time.time()) > 0:
        time.sleep(left)


def programs(name: str, packages: list[str], python: str = "") -> Path:
    """The prefix of a virtual environment called ``name`` with ``packages`` from PyPI. Makes it when it is not there yet.

    ``python`` is another Python than that of the tests."""
    with locked(name):
        _create(CACHE / name, packages, python)
    return CACHE / name


def pythons() -> dict[int, str]:
    """The Pythons of this machine by minor version: those on PATH, and those that are installed beside that of the tests."""
    found: dict[int, str] = {}
    places = [*os.environ.get("PATH", "").split(":"), *(str(path) for path in Path(sys.base_prefix).parent.glob("*/bin"))]
    for place in places:
        for path in Path(place).glob("python3.[0-9]*"):
            number = path.name.removeprefix("python3.")
            # A program of this name may only look for a Python that is not there.
            if number.isdigit() and int(number) not in found and _suits(str(path), int(number)):
                found[int(number)] = str(path)
    return found


def _suits(python: str, minor: int) -> bool:
    """Whether it is Python 3.``minor``, and can make virtual environments."""
    question = f"import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, {minor}))"
    return subprocess.run([python, "-c", question], capture_output=True, check=False).returncode == 0


def javascript(package: str) -> Path:
    """The folder of ``package`` (NAME@VERSION) from the npm registry. Takes it when it is not there yet; runs nothing of it."""
    name = package.replace("@", "-")
    prefix = CACHE / f"npm-{name}"
    with locked(f"npm-{name}"):
        if not (prefix / "complete").exists():
            shutil.rmtree(prefix, ignore_errors=True)
            prefix.mkdir()
            _run(["npm", "install", "--prefix", prefix, "--ignore-scripts", "--no-audit", "--no-fund", package])
            (prefix / "complete").touch()
    return prefix / "node_modules" / package.rpartition("@")[0]


BUILDBOT = "4.3.0"


def buildbot() -> Path:
    """The prefix of a virtual environment with Buildbot's master, its web page, and its worker."""
    return programs("buildbot-www", [f"{name}=={BUILDBOT}" for name in ("buildbot", "buildbot-www", "buildbot-worker")])


def buildbot_beside(prefix: Path, whole: Path, site: Path | None = None) -> Path:
    """An environment ``prefix`` with everything of the environment ``whole`` but Buildbot, and Buildbot from ``site``.

    Without ``site``, it has the master of ``whole``, too, but no web page."""
    _run([whole / "bin/python3", "-m", "venv", "--without-pip", prefix])
    (made,), (other,) = (list(one.glob("lib/python3*/site-packages")) for one in (prefix, whole))
    for path in other.iterdir():
        if not path.name.startswith("buildbot" if site is not None else "buildbot_www"):
            (made / path.name).symlink_to(path)
    for path in () if site is None else site.glob("buildbot*"):
        (made / path.name).symlink_to(path)
    for name in ("buildbot", "buildbot-worker", "twistd"):
        script = prefix / "bin" / name
        script.write_text((whole / "bin" / name).read_text().replace(str(whole), str(prefix)))
        script.chmod(0o755)
    return prefix


def _create(prefix: Path, packages: list[str], like: str = "") -> Path:
    """A virtual environment of the Python ``like`` with ``packages``; complete or not there at all. Returns its python."""
    python = prefix / "bin/python3"
    complete = prefix / "complete"
    if not complete.exists():
        shutil.rmtree(prefix, ignore_errors=True)
        _run([like or _python(), "-m", "venv", prefix])
        _run([python, *PIP, "install", *packages])
        complete.write_text("\n".join(packages) + "\n")
    return python


def _python() -> str:
    """This Python; or the system's, when other users cannot run this one and the tests are to run emerge as one of them."""
    real = Path(sys.executable).resolve()
    shared = all(parent.stat().st_mode & stat.S_IXOTH for parent in real.parents)
    system = "/usr/bin/python3"
    if shared or not os.access(system, os.X_OK):
        return sys.executable
    suitable = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
    return sys.executable if subprocess.run([system, "-c", suitable], check=False).returncode else system


def _run(command: list[str | Path]) -> None:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def _named(name: str) -> Environment:
    version = name.removeprefix("plain:")
    return environment(version, plugin=version == name)


def main() -> None:
    """Make the environments named on the command line (``plain:3.0.83``, ``3.0.83``), or all that the tests use, and the
    binhosts that they share: side by side, where workers that need the same one would wait for each other."""
    from tests.testkit import binhost, browser, chain
    from tests.testkit import pool as small

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(_named, sys.argv[1:] or [NEWEST, f"plain:{NEWEST}", *SUPPORTED[:-1]]):
            print(f"Portage {found.version} {'with the plugin' if found.plugin else 'alone'}: ready", flush=True)
        if not sys.argv[1:]:
            bots = pool.submit(buildbot)
            for library in (pool.submit(javascript, browser.AXE), pool.submit(programs, "prometheus", ["prometheus-client"])):
                print(f"{library.result().name}: ready", flush=True)
            kinds: list[Callable[[], chain.Chain | binhost.Binhost | small.Pool]] = [chain.built, binhost.standard, small.built]
            for made in [pool.submit(kind) for kind in kinds]:
                print(f"{made.result().directory.name}: ready", flush=True)
            print(f"{bots.result().name}: ready", flush=True)


if __name__ == "__main__":
    main()
