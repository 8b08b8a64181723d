"""Which keys are trusted for which binrepo: pin, unpin, forget and list them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from portage_ext import limits, locks
from portage_ext.config import binrepos
from portage_ext.errors import RequestError, UsageError
from portage_ext.errors.here import UnnamedKeyFileError
from portage_ext.errors.trust import DamagedStateError
from portage_ext.fetch.binrepo import locked
from portage_ext.fetch.mirrors import Mirrors, Transports
from portage_ext.fetch.sinks import MemorySink
from portage_ext.model.root import Root
from portage_ext.tasks.site import Site
from portage_ext.trust import kept_root, manage, manage_roots
from portage_ext.trust.keyfiles import PublicKey, only, read_keys
from portage_ext.trust.keyrings import RootPins, TrustDirectory, fingerprint, read_key_file
from portage_ext.trust.machine import Seen, forgotten
from portage_ext.trust.manage import Removed
from portage_ext.trust.memory import Memory, StateDirectory, checked_name


@dataclass(frozen=True, slots=True)
class Pinned:
    """The ``keys`` that are now trusted for ``binrepo``, ``threshold`` of them together.

    ``drop_in`` is the file that makes Portage fetch through portage-ext; None if it could not be written, because
    binrepos.conf is a file that the administrator maintains. ``again`` are those of the keys that had been removed, and count
    again.
    """

    binrepo: str
    keys: Sequence[str]
    threshold: int
    drop_in: Path | None
    again: frozenset[str] = frozenset()


def pin(site: Site, binrepo: str, key: str, source: str | None = None) -> Pinned:
    """Pin the primary key ``key`` (a whole fingerprint) for ``binrepo``, and let Portage verify packages with it.

    ``source`` is a file or URL that holds it (None: Portage's own keyring). Raises UsageError, RequestError, KeyFileError,
    GpgError, AllMirrorsFailedError, OSError.
    """
    name, directory, home = checked_name(binrepo), TrustDirectory(site.config_root), site.settings.portage_home
    wanted = fingerprint(key)
    if directory.root_pins(name):
        raise RequestError(f"root keys are pinned for {name}; run `portage-ext trust remove {name}` before you pin another key")
    data, where = _key(_beside(source, wanted), home, wanted)
    with _alone(StateDirectory(site.eroot, name)):
        manage.add(directory, home, name, wanted, data, where)
    return _connected(site, Pinned(name, (wanted,), 1, None))


def pin_roots(site: Site, binrepo: str, keys: Sequence[str], threshold: int | None = None, source: str | None = None) -> Pinned:
    """Pin offline root keys, of which ``threshold`` (None: all) name the keys that sign. Raises as :func:`pin`."""
    name, directory, home = checked_name(binrepo), TrustDirectory(site.config_root), site.settings.portage_home
    wanted = sorted({fingerprint(one) for one in keys})
    needed = len(wanted) if threshold is None else threshold
    if not 1 <= needed <= len(wanted):
        raise UsageError(f"--threshold must be from 1 to {len(wanted)}, the number of root keys")
    found = {}
    for one in wanted:
        data, where = _key(_beside(source, one), home, one)
        found[one] = only([data], one, where)
    state = StateDirectory(site.eroot, name)
    with _alone(state):
        again = manage_roots.add(directory, home, state, RootPins(frozenset(wanted), needed), found)
    return _connected(site, Pinned(name, wanted, needed, None, again))


def unpin(site: Site, binrepo: str, key: str | None = None) -> Removed:
    """Unpin ``key`` (None: all) of ``binrepo``, and drop the keys that its rotations added.

    Raises UsageError, GpgError, LockError, OSError.
    """
    name, directory = checked_name(binrepo), TrustDirectory(site.config_root)
    wanted = fingerprint(key) if key else None
    state, rooted = StateDirectory(site.eroot, name), directory.root_pins(name) is not None
    with _alone(state):
        remove = manage_roots.remove if rooted else manage.remove
        removed = remove(directory, site.settings.portage_home, state, wanted)
    if not directory.pins(name) and not directory.root_pins(name):
        binrepos.disconnect(site.config_root, name)
    return removed


def forget(site: Site, binrepo: str) -> frozenset[str]:
    """Forget version and identity seen of ``binrepo``, after it was set up again, and which root keys were taken out.

    Returns those root keys: they count again. Raises UsageError, SettingsError, LockError, OSError.
    """
    name = checked_name(binrepo)
    state, directory = StateDirectory(site.eroot, name), TrustDirectory(site.config_root)
    with _alone(state):
        again = directory.removed_roots(name)
        directory.write_removed(name, frozenset())
        if state.memory_file.exists():
            state.save(Memory(forgotten(directory.pins(name), _seen(state))))
            state.index_file.unlink(missing_ok=True)
        kept_root.forget(state)
    # This also forgets the TIMESTAMP that Portage got, which the next index must exceed.
    _drop_unverified(site.eroot)
    return again


@dataclass(frozen=True, slots=True)
class Trusted:
    """The pins of a binrepo, which of them are ``present`` in its keyring, by primary key, and its recorded state.

    ``removed`` are root keys that were removed.
    """

    binrepo: str
    pins: frozenset[str]
    root_pins: RootPins | None
    present: Mapping[str, PublicKey]
    seen: Seen | None
    root: Root | None
    removed: frozenset[str]


def trusted(config_root: Path, eroot: Path, binrepo: str | None = None) -> Iterator[Trusted]:
    """What is trusted for ``binrepo`` (None: for each with pinned keys), even if portage-ext.toml cannot be read.

    Raises UsageError, DamagedStateError, OSError.
    """
    directory = TrustDirectory(config_root)
    for name in [binrepo] if binrepo else directory.binrepos():
        state = StateDirectory(eroot, checked_name(name))
        ring, rooted = directory.keyring_file(name), directory.root_pins(name)
        # The keys as they were pinned, and as they were prolonged later.
        rings = b"".join(one.read_bytes() for one in (ring, state.keyring_file) if one.exists())
        present = {key.primary: key for key in read_keys(rings)} if rings else {}
        root = kept_root.believed(directory, state) if rooted is not None else None
        yield Trusted(name, directory.pins(name), rooted, present, state.load().seen, root, directory.removed_roots(name))


def _connected(site: Site, pinned: Pinned) -> Pinned:
    _drop_unverified(site.eroot)
    if not binrepos.connect(site.config_root, pinned.binrepo):
        return pinned
    return replace(pinned, drop_in=binrepos.drop_in(site.config_root, pinned.binrepo))


def _alone(state: StateDirectory) -> contextlib.AbstractContextManager[None]:
    """Lock the recorded state of a binrepo against emerge, if there is one."""
    return locked(state, locks.tell) if state.directory.is_dir() else contextlib.nullcontext()


def _seen(state: StateDirectory) -> Seen | None:
    """The recorded state, or None if it is damaged, because `trust forget` must repair that."""
    try:
        return state.load().seen
    except DamagedStateError:
        return None


def _drop_unverified(root: Path) -> None:
    """Remove Portage's cached indexes of the binrepo. Portage replaces them only by newer ones and after their TTL, so copies
    from before the verification, or from a forgotten repository, would stay. The next emerge fetches them again."""
    cached = root / "var/cache/edb/binhost"
    if cached.is_dir():
        shutil.rmtree(cached)


def _beside(source: str | None, fingerprint: str) -> str | None:
    """The file of a key, if ``source`` is a directory of keys."""
    return f"{source}{fingerprint}.asc" if source is not None and source.endswith("/") else source


def _key(source: str | None, home: Path, wanted: str) -> tuple[bytes, str]:
    """The bytes with the key, and the name of their source."""
    if source is None:
        data = manage.present_in_portage(home, wanted)
        if not data:
            raise UnnamedKeyFileError(str(home), f"it does not hold {wanted}")
        return data, str(home)
    if "://" in source:
        base, _, name = source.rpartition("/")
        sink, transports = MemorySink(), Transports()
        try:
            Mirrors((base,), transports).fetch(name, limits.MAX_KEY_SIZE, sink)
        finally:
            transports.close()
        return sink.data, source
    return read_key_file(Path(source)), source
