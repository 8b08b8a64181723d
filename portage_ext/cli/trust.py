"""portage-ext trust: which keys are believed for which binrepo."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

from portage_ext import limits
from portage_ext.config import binrepos
from portage_ext.config import settings as configuration
from portage_ext.errors.trust import KeyFileError
from portage_ext.fetch.mirrors import Mirrors, Transports
from portage_ext.fetch.sinks import MemorySink
from portage_ext.trust import manage
from portage_ext.trust.keyrings import TrustDirectory, fingerprint, read_key_file
from portage_ext.trust.machine import forgotten, trusted_keys
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
    add.add_argument("--fingerprint", required=True, metavar="FPR", help="the whole fingerprint, from a source you trust")
    add.add_argument("--from", dest="source", metavar="FILE|URL", help="where the key is (default: Portage's own keyring)")
    listing = actions.add_parser("list", help="show the keys and what was seen of each binrepo")
    listing.add_argument("repo", metavar="REPO", nargs="?")
    remove = actions.add_parser("remove", help="unpin a key of a binrepo, or all its keys")
    remove.add_argument("repo", metavar="REPO")
    remove.add_argument("--fingerprint", metavar="FPR")
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
            wanted = fingerprint(options.fingerprint)
            data, where = _key(options.source, home, wanted)
            manage.add(directory, home, repo, wanted, data, where)
            _drop_unverified(options.root)
            print(f"{repo}: {wanted} is pinned, and in Portage's keyring {home}")
            if binrepos.connect(options.config_root, repo):
                print(f"{repo}: fetched by portage-ext, by {binrepos.drop_in(options.config_root, repo)}")
            else:
                print(f"{repo}: put these lines into its section of binrepos.conf:\n{binrepos.section(repo)}", end="")
        case "remove":
            wanted_or_all = fingerprint(options.fingerprint) if options.fingerprint else None
            unused = manage.remove(directory, home, repo, wanted_or_all)
            if not directory.pins(repo):
                binrepos.disconnect(options.config_root, repo)
            print(f"{repo}: unpinned; taken out of Portage's keyring: {', '.join(sorted(unused)) or 'nothing'}")
        case "forget":
            state = StateDirectory(options.root, repo)
            if state.memory_file.exists():
                state.save(Memory(forgotten(directory.pins(repo))))
                state.index_file.unlink(missing_ok=True)
            print(f"{repo}: the next valid Release is taken as the first; one without a Release is still refused")
    return 0


def _drop_unverified(root: Path) -> None:
    """Portage replaces its copies of indexes only by newer ones, and not before their TTL: those that came before anything was
    verified must not stay. They are a cache; the next emerge fetches them again."""
    cached = root / "var/cache/edb/binhost"
    if cached.is_dir():
        shutil.rmtree(cached)


def _key(source: str | None, home: Path, wanted: str) -> tuple[bytes, str]:
    """The bytes that hold the key, and what to call them."""
    if source is None:
        data = manage.present_in_portage(home, wanted)
        if not data:
            raise KeyFileError(str(home), f"it does not hold {wanted}; say where the key is with --from")
        return data, str(home)
    if urlsplit(source).scheme in ("http", "https", "ssh"):
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
    present = {key.primary: key for key in manage.read_keys(ring.read_bytes())} if ring.exists() else {}
    by_subkey = {subkey: key for key in present.values() for subkey in key.subkeys}
    pins, seen = directory.pins(name), state.load().seen
    print(name)
    for pin in sorted(pins):
        key = present.get(pin) or by_subkey.get(pin)
        print(f"  pinned   {pin}  {_described(key)}")
    for rotated in sorted(trusted_keys(pins, seen) - pins):
        print(f"  rotated  {rotated}  by Release {seen.version if seen else 0}")
    for retired in sorted(pins - trusted_keys(pins, seen)):
        print(f"  retired  {retired}  by a later Release")
    if seen is None:
        print("  no Release seen")
    else:
        created = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seen.created))
        print(f"  Release {seen.version} of {seen.repository or '(forgotten)'}/{seen.channel} created {created}")


def _described(key: manage.PublicKey | None) -> str:
    if key is None:
        return "NOT IN THE KEYRING"
    state = "REVOKED " if key.revoked else "EXPIRED " if key.expired else ""
    until = f", expires {time.strftime('%Y-%m-%d', time.gmtime(key.expires))}" if key.expires else ""
    return f"{state}{'; '.join(key.user_ids)}{until}"
