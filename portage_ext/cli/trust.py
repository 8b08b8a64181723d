"""portage-ext trust: which keys are believed for which binrepo."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from portage_ext import limits, locks, shown
from portage_ext.config import binrepos
from portage_ext.config import settings as configuration
from portage_ext.errors import UsageError
from portage_ext.errors.trust import DamagedStateError, KeyFileError
from portage_ext.fetch.binrepo import locked
from portage_ext.fetch.mirrors import Mirrors, Transports
from portage_ext.fetch.sinks import MemorySink
from portage_ext.model.root import Root
from portage_ext.trust import kept_root, manage, manage_roots
from portage_ext.trust.keyfiles import PublicKey, only, read_keys
from portage_ext.trust.keyrings import RootPins, TrustDirectory, fingerprint, read_key_file
from portage_ext.trust.machine import Seen, forgotten, trusted_keys
from portage_ext.trust.memory import Memory, StateDirectory, checked_name


def roots(parser: argparse.ArgumentParser) -> None:
    """The options that say which system is meant."""
    eprefix = os.environ.get("PORTAGE_OVERRIDE_EPREFIX", "")
    config_root = os.environ.get("PORTAGE_CONFIGROOT") or f"{eprefix}/"
    root = os.environ.get("EROOT") or f"{os.environ.get('ROOT', '').rstrip('/')}{os.environ.get('EPREFIX', eprefix)}/"
    parser.add_argument("--config-root", type=Path, default=Path(config_root), help="PORTAGE_CONFIGROOT (default: %(default)s)")
    parser.add_argument("--root", type=Path, default=Path(root), help="EROOT, where the state is kept (default: %(default)s)")


def arguments(parser: argparse.ArgumentParser) -> None:
    roots(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="pin a key for a binrepo, and let Portage verify packages with it")
    add.add_argument("repo", metavar="REPO")
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--fingerprint", metavar="FPR", help="whole fingerprint of the primary key, from a source you trust")
    which.add_argument(
        "--root-key",
        nargs="+",
        metavar="FPR",
        help="fingerprints of offline keys that say which keys sign, in place of such keys",
    )
    add.add_argument("--threshold", type=int, metavar="N", help="how many of them must have signed the root (default: all)")
    add.add_argument(
        "--from",
        dest="source",
        metavar="FILE|URL",
        help="where the key is (default: Portage's own keyring); with a / at its end, a place with FPR.asc",
    )
    listing = actions.add_parser("list", help="show the keys and what was seen of each binrepo")
    listing.add_argument("repo", metavar="REPO", nargs="?")
    remove = actions.add_parser("remove", help="unpin a key of a binrepo, or all, and drop what came from there by rotation")
    remove.add_argument("repo", metavar="REPO")
    remove.add_argument("--fingerprint", metavar="FPR", help="a pinned key, or one that came by rotation")
    forget = actions.add_parser("forget", help="forget version and identity seen of a binrepo, after it was set up anew")
    forget.add_argument("repo", metavar="REPO")


def run(options: argparse.Namespace) -> int:
    directory = TrustDirectory(options.config_root)
    if options.action == "list":
        for name in [options.repo] if options.repo else directory.binrepos():
            _show(directory, StateDirectory(options.root, checked_name(name)))
        return 0
    repo = checked_name(options.repo)
    home = configuration.load(options.config_root, client_only=True).portage_home
    match options.action:
        case "add":
            if options.root_key:
                _add_roots(options, directory, home)
            else:
                wanted = fingerprint(options.fingerprint)
                if directory.root_pins(repo):
                    raise UsageError(
                        f"root keys are pinned for {repo}; `portage-ext trust remove {repo}` comes before other pins"
                    )
                data, where = _key(_beside(options.source, wanted), home, wanted)
                with _alone(StateDirectory(options.root, repo)):
                    manage.add(directory, home, repo, wanted, data, where)
                print(f"{repo}: {wanted} is pinned, and in Portage's keyring {home}")
            _drop_unverified(options.root)
            if binrepos.connect(options.config_root, repo):
                print(f"{repo}: fetched by portage-ext, by {binrepos.drop_in(options.config_root, repo)}")
            else:
                print(f"{repo}: put these lines into its section of binrepos.conf:\n{binrepos.section(repo)}", end="")
        case "remove":
            wanted_or_all = fingerprint(options.fingerprint) if options.fingerprint else None
            state, rooted = StateDirectory(options.root, repo), directory.root_pins(repo) is not None
            with _alone(state):
                removed = (manage_roots if rooted else manage).remove(directory, home, state, wanted_or_all)
            if not directory.pins(repo) and not directory.root_pins(repo):
                binrepos.disconnect(options.config_root, repo)
            _tell(repo, removed)
        case "forget":
            state = StateDirectory(options.root, repo)
            with _alone(state):
                if state.memory_file.exists():
                    state.save(Memory(forgotten(directory.pins(repo), _seen(state))))
                    state.index_file.unlink(missing_ok=True)
                kept_root.forget(state)
            # With the stamps that Portage was handed, it is forgotten how to hand it a newer one.
            _drop_unverified(options.root)
            print(f"{repo}: the next valid Release is taken as the first; one without a Release is still refused")
    return 0


def _add_roots(options: argparse.Namespace, directory: TrustDirectory, home: Path) -> None:
    wanted = sorted({fingerprint(one) for one in options.root_key})
    threshold = len(wanted) if options.threshold is None else options.threshold
    if not 1 <= threshold <= len(wanted):
        raise UsageError(f"--threshold {threshold}: of {len(wanted)} root keys as many cannot sign")
    keys = {}
    for one in wanted:
        data, where = _key(_beside(options.source, one), home, one)
        keys[one] = only([data], one, where)
    state = StateDirectory(options.root, options.repo)
    with _alone(state):
        manage_roots.add(directory, home, state, RootPins(frozenset(wanted), threshold), keys)
    print(f"{options.repo}: {threshold} of {', '.join(wanted)} say from now on which keys sign; no other key is pinned")


def _tell(repo: str, removed: manage.Removed) -> None:
    """Say what `trust remove` dropped."""

    def named(keys: frozenset[str]) -> str:
        return ", ".join(sorted(keys)) or "nothing"

    print(f"{repo}: believed no more: {named(removed.keys)}")
    if removed.rotated:
        print(f"{repo}: nor is what came by rotation from there: {named(removed.rotated)}")
    print(f"{repo}: taken out of Portage's keyring: {named(removed.from_portage)}")
    if not removed.left:
        print(f"{repo}: no key is believed any more; pin the present one with `portage-ext trust add`")


def _alone(state: StateDirectory) -> contextlib.AbstractContextManager[None]:
    """Keep emerge from the memory of a binrepo, where there is one."""
    return locked(state, locks.tell) if state.directory.is_dir() else contextlib.nullcontext()


def _seen(state: StateDirectory) -> Seen | None:
    """What is remembered, unless it is damaged: `trust forget` is the way out of that."""
    try:
        return state.load().seen
    except DamagedStateError:
        return None


def _drop_unverified(root: Path) -> None:
    """Portage replaces its copies of indexes only by newer ones, and not before their TTL: those that came before anything was
    verified, or under what was forgotten, must not stay. They are a cache; the next emerge fetches them again."""
    cached = root / "var/cache/edb/binhost"
    if cached.is_dir():
        shutil.rmtree(cached)


def _beside(source: str | None, fingerprint: str) -> str | None:
    """The file of one key where ``source`` is a place for several."""
    return f"{source}{fingerprint}.asc" if source is not None and source.endswith("/") else source


def _key(source: str | None, home: Path, wanted: str) -> tuple[bytes, str]:
    """The bytes that hold the key, and what to call them."""
    if source is None:
        data = manage.present_in_portage(home, wanted)
        if not data:
            raise KeyFileError(str(home), f"it does not hold {wanted}; say where the key is with --from")
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


def _show(directory: TrustDirectory, state: StateDirectory) -> None:
    name = state.binrepo
    ring = directory.keyring_file(name)
    # As it was pinned, and as it was prolonged since.
    rings = b"".join(one.read_bytes() for one in (ring, state.keyring_file) if one.exists())
    present = {key.primary: key for key in read_keys(rings)} if rings else {}
    pins, seen = directory.pins(name), state.load().seen
    print(name)
    rooted = directory.root_pins(name)
    if rooted is not None:
        _show_root(rooted, kept_root.believed(directory, state), present)
    rotating = seen if rooted is None else None
    for pin in sorted(pins):
        print(f"  pinned   {pin}  {_described(present.get(pin))}")
    for rotated in sorted(trusted_keys(pins, rotating) - pins):
        signers = sorted(signer for key, signer in seen.announced if key == rotated) if seen else []
        print(f"  rotated  {rotated}  announced by {', '.join(signers)}")
    for retired in sorted(pins - trusted_keys(pins, rotating)):
        print(f"  retired  {retired}  by a later Release")
    if seen is None:
        print("  no Release seen")
    else:
        created = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seen.created))
        print(f"  Release {seen.version} of {seen.repository or '(forgotten)'}/{seen.channel} created {created}")


def _show_root(pins: RootPins, root: Root | None, present: Mapping[str, PublicKey]) -> None:
    for key in sorted(pins.keys):
        print(f"  root key {key}  {_described(present.get(key))}, {pins.threshold} of {len(pins.keys)} must have signed")
    if root is None:
        print("  no root seen")
        return
    print(f"  root {root.version} until {time.strftime('%Y-%m-%d', time.gmtime(root.expires))}")
    for key in root.release_keys:
        print(f"  named    {key}  {root.release_threshold} of {len(root.release_keys)} sign a Release")


def _described(key: PublicKey | None) -> str:
    if key is None:
        return "NOT IN THE KEYRING as a primary key"
    state = "REVOKED " if key.revoked else "EXPIRED " if key.expired else ""
    until = f", expires {time.strftime('%Y-%m-%d', time.gmtime(key.expires))}" if key.expires else ""
    return shown.line(f"{state}{'; '.join(key.user_ids)}{until}")
