"""Portage's settings for PKGDIR and its index, as values.

The tables and the header come from a ``binarytree`` of the installed Portage, so that they match every version exactly.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from portage_ext import limits, locks
from portage_ext.errors import LockError, PkgdirError
from portage_ext.host import depend, probe
from portage_ext.host.depend import DependEvaluator
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.index.format import MTIME, IndexFormat
from portage_ext.model.contract import KEY as CONTRACT
from portage_ext.pkgdir.reindex import Lock, Repository
from portage_ext.pkgdir.signatures import SignaturePolicy
from portage_ext.pkgdir.survey import foreign
from portage_ext.records import record

_TABLES: Final = (
    "_pkgindex_allowed_pkg_keys",
    "_pkgindex_default_header_data",
    "_pkgindex_default_pkg_data",
    "_pkgindex_hashes",
    "_pkgindex_inherited_keys",
    "_pkgindex_translated_keys",
    "_pkgindex_use_evaluated_keys",
)
_TREE: Final = "portage.dbapi.bintree:binarytree"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_TREE}.__init__", ("self",), ("pkgdir", "settings")),
    Names(f"{_TREE}.__init__", _TABLES),
    Function(f"{_TREE}._update_pkgindex_header", ("self", "header")),
    Names("portage.dbapi.bintree:bindbapi.__init__", ("_aux_cache_keys",)),
    Names("portage.package.ebuild.config:config.__init__", ("features",)),
    Function("portage.locks:lockfile", ("mypath",), ("wantnewlockfile",)),
    Function("portage.locks:unlockfile", ("mytuple",)),
    Function("portage.util:varexpand", ("mystring",), ("mydict",)),
    *depend.EXPECTED,
)
_ASSIGNED: Final = re.compile(r"""^PKGDIR=["']?(/[^"'$\\\s]+)["']?[ \t]*$""", re.M)
LOSS: Final = "`portage-ext reindex`, `sign` and `publish` cannot work"


@record
class PkgdirSettings:
    """PKGDIR and how its index is written on this host. ``header`` lacks TIMESTAMP and PACKAGES."""

    pkgdir: Path
    format: IndexFormat
    header: Mapping[str, str]
    compress: bool
    """FEATURES=compress-index: Packages.gz is kept beside Packages."""
    policy: SignaturePolicy
    portage_version: str


def likely_pkgdir(config_root: Path | None = None) -> Path:
    """What PKGDIR probably is, found without Portage: for work that is dropped when it is not.

    ``config_root``: where etc/portage is, if not in PORTAGE_CONFIGROOT.
    """
    place = os.environ.get("PKGDIR", "")
    if not place:
        # Where Portage looks, also for a Prefix that is named in the environment (LocationsManager).
        root = config_root or os.environ.get("PORTAGE_CONFIGROOT") or os.environ.get("PORTAGE_OVERRIDE_EPREFIX") or "/"
        with (
            contextlib.suppress(OSError),
            open(os.path.join(root, "etc/portage/make.conf"), encoding="utf-8", errors="replace") as file,
        ):
            place = "".join(_ASSIGNED.findall(file.read(limits.MIB))[-1:])
    return Path(os.path.abspath(place or "/var/cache/binpkgs"))


def pkgdir_settings(pkgdir: Path | None = None, *, anything: bool = False) -> PkgdirSettings:
    """The settings for ``pkgdir``, by default Portage's own PKGDIR.

    Raises UnknownPortageError when this Portage has not the tables, PkgdirError when there is no such directory, or when it is
    one of something else, such as /etc (``anything``: that is allowed).
    """
    import portage
    from portage.dbapi.bintree import binarytree

    settings = portage.settings
    place = Path(os.path.abspath(pkgdir if pkgdir is not None else settings["PKGDIR"]))
    if not place.is_dir():
        raise PkgdirError(str(place), "no such directory")
    if pkgdir is not None and not anything and foreign(place):
        raise PkgdirError(
            str(place),
            "it has files, but no index and no package. Is it the right directory? If it is, run `portage-ext reindex --force "
            f"--pkgdir {shlex.quote(str(place))}` first",
        )
    probe.check(LOSS, EXPECTED)
    tree = binarytree(pkgdir=str(place), settings=settings)
    header = dict(tree._pkgindex_default_header_data)
    tree._update_pkgindex_header(header)
    return PkgdirSettings(
        place,
        _format(tree),
        header,
        "compress-index" in settings.features,
        _policy(settings),
        str(portage.VERSION),
    )


def _format(tree: Any) -> IndexFormat:
    keys = frozenset(tree.dbapi._aux_cache_keys) & frozenset(tree._pkgindex_allowed_pkg_keys) | {CONTRACT}
    hashes = tuple(tree._pkgindex_hashes)
    return IndexFormat(
        metadata_keys=keys - {"SIZE", MTIME, "CPV", *hashes},
        evaluated_keys=tuple(tree._pkgindex_use_evaluated_keys),
        hashes=hashes,
        defaults=dict(tree._pkgindex_default_pkg_data),
        inherited=tuple(tree._pkgindex_inherited_keys),
        translated=dict(tree._pkgindex_translated_keys),
    )


def zstd_flags() -> str:
    """The flags with which Portage compresses packages by zstd (gpkg._get_binary_cmd)."""
    import portage

    flags = portage.settings.get("BINPKG_COMPRESS_FLAGS_ZSTD")
    return str(portage.settings.get("BINPKG_COMPRESS_FLAGS", "") if flags is None else flags)


def _policy(settings: Any) -> SignaturePolicy:
    from portage.util import varexpand

    required = "binpkg-request-signature" in settings.features
    verify = required or "binpkg-ignore-signature" not in settings.features
    command = settings.get("BINPKG_GPG_VERIFY_BASE_COMMAND", "")
    home = settings.get("BINPKG_GPG_VERIFY_GPG_HOME")
    command = command.replace("[PORTAGE_CONFIG]", f"--homedir {home} ").replace("[SIGNATURE]", "")
    user = group = None
    if os.getuid() == 0:
        user = settings.get("GPG_VERIFY_USER_DROP", "nobody") or None
        group = settings.get("GPG_VERIFY_GROUP_DROP", "nogroup") or None
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if key in os.environ}
    return SignaturePolicy(
        verify,
        required,
        tuple(word for word in shlex.split(varexpand(command, mydict=settings)) if word),
        user,
        group,
        environment,
    )


def load() -> None:
    """Import what the functions below need, in a program that waits for something else before. No configuration is read."""
    import portage.dbapi.bintree
    import portage.dbapi.porttree
    import portage.dbapi.vartree
    import portage.locks
    import portage.package.ebuild.config  # noqa: F401


@contextlib.contextmanager
def index_lock(pkgdir: Path) -> Iterator[None]:
    """Hold Portage's own lock on PKGDIR/Packages, which emerge takes to inject a package. Announces a wait and, unlike Portage,
    does not wait for ever.

    Raises PkgdirError if the lock file cannot be created, LockError if another process holds the lock for too long.
    """
    from portage.exception import PortageException, TryAgain
    from portage.locks import lockfile, unlockfile

    def attempt() -> Any:
        try:
            return lockfile(str(pkgdir / "Packages"), wantnewlockfile=1, flags=os.O_NONBLOCK)
        except TryAgain:
            return None
        except (OSError, PortageException) as error:
            raise PkgdirError(str(pkgdir), f"cannot be locked: {error}") from error

    file = pkgdir / ".Packages.portage_lockfile"
    pauses = locks.waiting(file, limits.PKGDIR_LOCK)
    while (lock := attempt()) is None:
        if next(pauses, None) is None:
            raise LockError(str(file), locks.too_long(file, limits.PKGDIR_LOCK))
    try:
        yield
    finally:
        unlockfile(lock)


class PkgdirLock:
    """Portage's lock on PKGDIR, taken once: the reindexer takes it unless its caller holds it already."""

    def __init__(self) -> None:
        self._held = False

    @contextlib.contextmanager
    def held(self, pkgdir: Path) -> Iterator[None]:
        """Hold the lock. Raises PkgdirError."""
        with index_lock(pkgdir):
            self._held = True
            try:
                yield
            finally:
                self._held = False

    def unless_held(self, pkgdir: Path) -> AbstractContextManager[None]:
        """The lock function for a Repository."""
        return contextlib.nullcontext() if self._held else index_lock(pkgdir)


def repository_of(settings: PkgdirSettings, lock: Lock = index_lock) -> Repository:
    """The PKGDIR of ``settings`` as the engine takes it; ``lock`` is for callers that hold Portage's lock already."""
    return Repository(
        settings.pkgdir,
        settings.format,
        settings.header,
        settings.compress,
        settings.policy,
        settings.portage_version,
        lock,
        DependEvaluator(),
    )
