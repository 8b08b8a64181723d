"""Builds for a target run in an environment that must be identical to the target (``checking``).

An environment is a stack of layers (``layers/stack``), or a chroot or a Gentoo Prefix on this host, which is used in place as
the bottom layer. No build writes to it. ``-march=native`` would mean the CPU of this host, so configuration files with it are
covered by a layer in which it is replaced by the flags that the target's compiler chose.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import portage_ext
from portage_ext.builds.cages.cage import Bind, Bounds, Cage, Over
from portage_ext.builds.layers.stack import KIND, Stack, read
from portage_ext.builds.layers.store import Layers
from portage_ext.errors.builds import BlockedError, TargetError
from portage_ext.targets import native
from portage_ext.targets.capture import Target
from portage_ext.targets.copying.listing import LAYERS

PACKAGE: Final = "/run/portage-ext/package"
"""The path in the cage where the code of portage-ext is mounted read-only."""
DISTDIR: Final = "/run/portage-ext/distfiles"
PKGDIR: Final = "/run/portage-ext/binpkgs"
ADDITIONS: Final = "/run/portage-ext/additions"
"""Packages that emerge may merge. It gets a copy of them, because it writes to its PKGDIR."""
_FEATURES: Final = (
    "-buildpkg -buildsyspkg -binpkg-signing -binpkg-request-signature -getbinpkg -ipc-sandbox -mount-sandbox -network-sandbox "
    "-pid-sandbox -news -parallel-fetch -distcc -ccache -merge-sync -pkgdir-index-trusted binpkg-multi-instance "
    "binpkg-ignore-signature"
)
"""FEATURES for the builds. The network, PID, IPC and mount sandboxes are off, because the cage already isolates all of these
and Portage could not set up its own inside it. Signatures are ignored, because the cage has no keyring: a package
that is merged there is checked by its digest before, or is the unsigned result of the build. A merge is not synced to
disk (merge-sync), because it is in memory."""
_EMPTY: Final = ("/tmp", "/run")
_PRIVATE: Final = (
    "/boot",
    "/etc/portage",
    "/etc/ssh",
    "/etc/ssl/private",
    "/home",
    "/mnt",
    "/root",
    "/srv",
    "/var/lib/portage-ext",
)
"""Directories that are empty for a build in a Prefix, which sees this host's root file system, because it must not read
them."""
_SECRET_FILES: Final = ("/etc/gshadow", "/etc/shadow")
_NAME_SERVERS: Final = "/etc/resolv.conf"
"""A fresh chroot has none, and fetching distfiles needs them."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment. ``top`` is the root of the chroot or prefix, or the top one of the layers of ``stack``; ``binds`` are
    other files of this host that it needs."""

    name: str
    target: Target
    top: Path
    is_prefix: bool
    binds: tuple[Bind, ...]
    stack: Stack | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep its layers while the block runs. They are not checked. Raises BlockedError, OSError."""
        with contextlib.ExitStack() as held:
            for name, recipe in self.stack.recipes() if self.stack is not None else ():
                assert self.stack is not None
                try:
                    held.enter_context(Layers(self.stack.store).held(recipe))
                except FileNotFoundError:
                    raise self.lost([name]) from None
            yield

    def lost(self, names: Sequence[str]) -> BlockedError:
        """The error for layers of these names that do not exist, or differ from their lists."""
        layers = f"the layer{'s' * (len(names) > 1)} {' and '.join(names)}"
        source = self.stack.source.partition(":")[2] if self.stack is not None else ""
        return BlockedError(
            self.name,
            f"lacks {layers}, removed or changed since",
            f"run `portage-ext target copy {self.name}` with {source or 'its host'} again; it takes only what is missing",
        )

    def cage(
        self,
        over: Sequence[Path],
        scratch: Path,
        words: tuple[str, ...],
        bounds: Bounds,
        *,
        binds: tuple[Bind, ...] = (),
        network: bool = False,
    ) -> Cage:
        """Make a cage in this environment that runs ``words``. ``over`` are layers above it, the top one first, for example
        that of :func:`write_layer`."""
        below = (self.top,) if self.stack is None else self.stack.trees()
        lower = tuple(map(str, (*over, *below)))
        layers = (Over(("/",), "/"), Over(lower, str(self.top))) if self.is_prefix else (Over(lower, "/"),)
        hidden = tuple(Bind("/dev/null", path) for path in _SECRET_FILES if self.is_prefix and os.path.exists(path))
        empty = (*_EMPTY, *(path for path in _PRIVATE if os.path.isdir(path))) if self.is_prefix else _EMPTY
        every = (*hidden, *self.binds, *binds)
        return Cage(layers, str(scratch), words, self.variables(), bounds, every, network, self.name, empty=empty)

    def digest(self) -> str:
        """A digest of everything that a layer above this environment depends on; where the environment is does not count."""
        if self.stack is not None:
            return hashlib.blake2b(
                json.dumps([self.stack.layers[name] for name in LAYERS]).encode(), digest_size=32
            ).hexdigest()
        values = json.loads(replace(self.target, taken=0, source="").emit())
        values["files"] = {path: data for path, data in values["files"].items() if not path.startswith("var/lib/portage/world")}
        values["builder"] = {name: value for name, value in values["builder"].items() if name not in ("world", "sets")}
        return hashlib.blake2b(json.dumps([self.is_prefix, values]).encode(), digest_size=32).hexdigest()

    def emerge(self, *arguments: str) -> tuple[str, ...]:
        """The command line of emerge in this environment."""
        return (*self.target.emerge, *arguments)

    def early_emerge(self, *arguments: str, merges: bool = False) -> tuple[str, ...]:
        """The same for a cage whose command starts ``early``; if it ``merges``, ADDITIONS are copied to PKGDIR before."""
        python, *rest = self.target.emerge
        return (python, "-m", "portage_ext.builds.cages.early", ADDITIONS if merges else "", *rest, *arguments)

    def describe(self, *atoms: str) -> tuple[str, ...]:
        """The command that prints the plan for ``atoms``."""
        return (self.target.emerge[0], "-m", "portage_ext.builds.describe", *atoms)

    def variables(self) -> dict[str, str]:
        """All environment variables for a command in it. No variable of this process is passed on."""
        values = {
            "DISTDIR": DISTDIR,
            "EMERGE_DEFAULT_OPTS": "",
            "FEATURES": _FEATURES,
            "HOME": "/tmp",
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "NOCOLOR": "true",
            "PATH": self._path(),
            "PKGDIR": PKGDIR,
            "PORTAGE_OVERRIDE_EPREFIX": self.target.eprefix or "/",
            "PORTAGE_TMPDIR": f"{self.target.eprefix}/var/tmp",
            "PYTHONPATH": PACKAGE,
            "TERM": "dumb",
        }
        if not self._has_portage_user():
            values |= {"PORTAGE_USERNAME": "root", "PORTAGE_GRPNAME": "root"}
        return values

    def _path(self) -> str:
        """The value of PATH: in a prefix its own directories come first, then those of this host."""
        own = [f"{self.target.eprefix}{path}" for path in _PATH.split(":")] if self.is_prefix else []
        return ":".join((*own, os.path.dirname(self.target.emerge[0]), _PATH))

    def _has_portage_user(self) -> bool:
        """Whether builds can switch to the portage user. In a prefix, builds run as its owner."""
        try:
            text = (self.top / "etc/passwd").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        return not self.is_prefix and any(line.startswith("portage:") for line in text.split("\n"))


def environment(name: str, target: Target) -> Environment:
    """The environment of ``target``. Raises TargetError if there is none on this host."""
    kind, _, place = target.source.partition(":")
    if kind == KIND:
        return stacked(name, target, read(Path(place), name))
    if kind not in ("chroot", "prefix"):
        raise TargetError(
            name,
            f"it was captured from {target.source or 'nowhere'}, and builds need a system on this host: copy what they "
            f"need with `portage-ext target copy {name} --ssh HOST`, make one from a stage archive with `portage-ext target "
            f"add NAME --stage FILE --like {name}`, or capture a chroot with `portage-ext target capture {name} --root DIR`",
        )
    outside = {one.location for one in target.repositories} if kind == "prefix" else set()
    binds = [
        Bind(path, path) for path in sorted(outside | (_python(target) if kind == "prefix" else set())) if os.path.exists(path)
    ]
    return Environment(name, target, Path(place), kind == "prefix", (*binds, _code()))


def stacked(name: str, target: Target, stack: Stack) -> Environment:
    """The environment that consists of the layers of ``stack``."""
    binds = [Bind(one.source, one.inside) for one in stack.repositories]
    return Environment(name, target, stack.trees()[0], False, (*binds, _code()), stack)


def _code() -> Bind:
    return Bind(str(Path(portage_ext.__file__).parent), f"{PACKAGE}/portage_ext")


def _python(target: Target) -> set[str]:
    """The directories of Portage for a prefix that uses this host's Python; empty for a prefix with its own Python."""
    return (
        set()
        if target.emerge[0].startswith(f"{target.eprefix}/")
        else {sys.prefix, os.path.dirname(os.path.dirname(target.emerge[1]))}
    )


def write_layer(place: Environment, directory: Path) -> None:
    """Write files that replace those of the environment into ``directory``: configuration files that name no CPU, and for a
    chroot the name servers of this host. Raises BlockedError, OSError."""
    march = place.target.builder.march
    config = place.top / "etc/portage"
    for path in (config / "make.conf", *sorted((config / "env").rglob("*")), *sorted((config / "make.conf").rglob("*"))):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if not (flag := native.found(data)):
            continue
        if not native.is_resolved(march):
            raise BlockedError(
                place.name,
                f"says {flag} in {path}, and nobody resolved that on the target",
                "capture it where a compiler is installed",
            )
        covered = directory / path.relative_to(place.top)
        covered.parent.mkdir(parents=True, exist_ok=True)
        covered.write_bytes(native.replaced(data, march))
    if not place.is_prefix and (place.top / "etc").is_dir() and os.path.isfile(_NAME_SERVERS):
        (directory / "etc").mkdir(exist_ok=True)
        shutil.copyfile(_NAME_SERVERS, directory / "etc/resolv.conf")


def resolved(variables: Mapping[str, str]) -> bool:
    """Whether no variable of a job lets the compiler detect the CPU of this host (as ``-march=native`` would)."""
    return not any(native.found(value.encode()) for value in variables.values())
