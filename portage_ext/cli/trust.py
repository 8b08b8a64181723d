"""portage-ext trust: which keys are believed for which binrepo."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.config import binrepos
from portage_ext.model.root import Root
from portage_ext.tasks import pinning
from portage_ext.tasks.pinning import Trusted
from portage_ext.trust.keyfiles import PublicKey
from portage_ext.trust.keyrings import RootPins
from portage_ext.trust.machine import trusted_keys
from portage_ext.trust.manage import Removed
from portage_ext.words import day, minute


def arguments(parser: argparse.ArgumentParser) -> None:
    places.roots(parser)
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
    objects.option(listing)
    remove = actions.add_parser("remove", help="unpin a key of a binrepo, or all, and drop what came from there by rotation")
    remove.add_argument("repo", metavar="REPO")
    remove.add_argument("--fingerprint", metavar="FPR", help="a pinned key, or one that came by rotation")
    forget = actions.add_parser(
        "forget", help="forget version and identity seen of a binrepo, after it was set up again from nothing"
    )
    forget.add_argument("repo", metavar="REPO")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0."""
    repo = options.repo
    if options.action == "list":
        for one in pinning.trusted(options.config_root, options.root, repo):
            if options.json:
                objects.show(_as_json(one))
            else:
                _show(one)
        return 0
    site = places.site(options, client_only=True)
    match options.action:
        case "add":
            if options.root_key:
                pinned = pinning.pin_roots(site, repo, options.root_key, options.threshold, options.source)
                print(
                    f"{repo}: {pinned.threshold} of {', '.join(pinned.keys)} say from now on which keys sign; "
                    "no other key is pinned"
                )
                if pinned.again:
                    print(f"{repo}: taken out before, and counting again: {_named(pinned.again)}")
            else:
                pinned = pinning.pin(site, repo, options.fingerprint, options.source)
                print(f"{repo}: {pinned.keys[0]} is pinned, and in Portage's keyring {site.settings.portage_home}")
            if pinned.drop_in is not None:
                print(f"{repo}: fetched by portage-ext, by {pinned.drop_in}")
            else:
                print(f"{repo}: put these lines into its section of binrepos.conf:\n{binrepos.section(repo)}", end="")
        case "remove":
            _tell(repo, pinning.unpin(site, repo, options.fingerprint))
        case "forget":
            again = pinning.forget(site, repo)
            if again:
                print(f"{repo}: root keys that were taken out before, and whose signatures count again: {_named(again)}")
            print(f"{repo}: the next valid Release is accepted as the first; one without a Release is still refused")
    return 0


def _tell(repo: str, removed: Removed) -> None:
    """Say what `trust remove` dropped."""
    print(f"{repo}: no longer pinned: {_named(removed.keys)}")
    if removed.rotated:
        print(f"{repo}: no longer believed, because these keys announced them: {_named(removed.rotated)}")
    if removed.remembered:
        print(f"{repo}: no signature of a removed root key counts, whatever root names it, until you pin it again")
    print(f"{repo}: taken out of Portage's keyring: {_named(removed.from_portage)}")
    if not removed.left:
        print(f"{repo}: no key is pinned any more; pin the current one with `portage-ext trust add`")


def _as_json(one: Trusted) -> dict[str, object]:
    """As `status` does it; ``trusted`` are the keys whose Releases count now."""
    rooted, seen, root = one.root_pins, one.seen, one.root
    trusted = (root.release_keys if root else ()) if rooted else trusted_keys(one.pins, seen)
    return {
        "binrepo": one.binrepo,
        "pinned": sorted(rooted.keys if rooted else one.pins),
        "threshold": rooted.threshold if rooted else None,
        "trusted": sorted(trusted),
        "root": root.version if root else None,
        "root_expires": root.expires if root else None,
        "release": seen.version if seen else None,
        "channel": seen.channel if seen else "",
        "created": seen.created if seen else None,
    }


def _named(keys: frozenset[str]) -> str:
    return ", ".join(sorted(keys)) or "nothing"


def _show(one: Trusted) -> None:
    pins, seen, present = one.pins, one.seen, one.present
    print(one.binrepo)
    if one.root_pins is not None:
        _show_root(one.root_pins, one.root, present)
    for key in sorted(one.removed):
        print(f"  removed  {key}  no signature by it counts under a root")
    rotating = seen if one.root_pins is None else None
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
        created = minute(seen.created)
        print(f"  Release {seen.version} of {seen.repository or '(forgotten)'}/{seen.channel} created {created}")


def _show_root(pins: RootPins, root: Root | None, present: Mapping[str, PublicKey]) -> None:
    for key in sorted(pins.keys):
        print(f"  root key {key}  {_described(present.get(key))}, {pins.threshold} of {len(pins.keys)} must have signed")
    if root is None:
        print("  no root seen")
        return
    print(f"  root {root.version} until {day(root.expires)}")
    for key in root.release_keys:
        print(f"  named    {key}  {root.release_threshold} of {len(root.release_keys)} sign a Release")


def _described(key: PublicKey | None) -> str:
    if key is None:
        return "NOT IN THE KEYRING as a primary key"
    state = "REVOKED " if key.revoked else "EXPIRED " if key.expired else ""
    until = f", expires {day(key.expires)}" if key.expires else ""
    return shown.line(f"{state}{'; '.join(key.user_ids)}{until}")
