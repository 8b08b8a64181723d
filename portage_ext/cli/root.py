"""portage-ext root: keys that stay offline say which keys may sign Releases; a stolen one is revoked without visiting a client.

Everything but `publish` runs where the root keys are, on a machine that needs neither Portage nor a network.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.cli import objects, places
from portage_ext.tasks import roots
from portage_ext.tasks.roots import Refused, Wanted
from portage_ext.words import counted

_DAY: Final = 86400


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="make the first root in a directory; sign it next")
    following = actions.add_parser("next", help="make the root after the last one; what is not named stays as it was")
    sign = actions.add_parser("sign", help="sign the last root with the root keys that gpg has")
    show = actions.add_parser("show", help="print the last root, and whose signatures it carries")
    publish = actions.add_parser("publish", help="put the roots of a directory beside the channels, if clients will take them")
    for one in (init, following, sign, show, publish):
        one.add_argument("directory", type=Path, metavar="DIR", help="where the roots are kept, with their public keys")
    objects.option(show)
    for one in (init, following):
        first = one is init
        one.add_argument("--root-key", nargs="+", metavar="FPR", required=first, help="the keys that are kept offline")
        one.add_argument("--root-threshold", type=int, metavar="N", help="how many of them must sign a root")
        one.add_argument("--release-key", nargs="+", metavar="FPR", required=first, help="the keys that may sign Releases")
        one.add_argument("--release-threshold", type=int, metavar="N", help="how many of them must sign a Release")
        one.add_argument("--least-release", type=int, metavar="N", help="clients refuse Releases with a lower number")
        one.add_argument("--valid-days", type=int, default=365, metavar="N", help="days until it expires (default: 365)")
    init.add_argument("--repository", metavar="ID", help="as `release show` prints it (default: an id of its own)")
    sign.add_argument("--key", nargs="+", metavar="FPR", help="(default: every root key of which gpg has the secret part)")
    for one in (init, following, sign):
        one.add_argument("--homedir", type=Path, help="home of gpg (default: gpg's own)")
    publish.add_argument("--pkgdir", type=Path, metavar="DIR", help="a PKGDIR that is signed in place, instead of a tree")
    places.tree(publish)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when `sign` or `show` leaves a root that has too few signatures."""
    directory: Path = options.directory
    match options.action:
        case "init":
            made = roots.init(directory, _wanted(options), repository=options.repository, homedir=options.homedir)
        case "next":
            made = roots.following(directory, _wanted(options), homedir=options.homedir)
        case "sign":
            roots.sign(directory, options.key or (), homedir=options.homedir)
            return _show(directory)
        case "show":
            return _show(directory, as_json=options.json)
        case _:
            _publish(options)
            return 0
    print(f"{directory}/{made.version} is made: look at it, and then sign it with `portage-ext root sign {directory}`")
    return 0


def _wanted(options: argparse.Namespace) -> Wanted:
    return Wanted(
        options.root_key or (),
        options.root_threshold,
        options.release_key or (),
        options.release_threshold,
        options.least_release,
        options.valid_days,
    )


def _show(directory: Path, *, as_json: bool = False) -> int:
    found = roots.show(directory)
    if as_json:
        signed = {"signed_by": list(found.signed), "lacking": found.lacking}
        objects.show({**dataclasses.asdict(found.root), **signed})
        return int(bool(found.lacking))
    print(found.text, end="")
    for one in found.signed:
        print(f"signed by {one}")
    if found.lacking:
        print(f"not enough signatures yet: {found.lacking}")
        return 1
    left = (found.root.expires - int(time.time())) // _DAY
    print(f"clients will accept it; it expires in {counted(left, 'day')}")
    return 0


def _publish(options: argparse.Namespace) -> None:
    if options.pkgdir:
        done = roots.publish_in_place(options.directory, options.pkgdir)
    else:
        done = roots.publish(options.directory, places.site(options).tree(options.repository, options.tree))
    for one in done.refused:
        print(_refused(one))
    root, now = done.root, int(time.time())
    print(f"root {root.version} is published: Releases by {root.release_threshold} of {', '.join(root.release_keys)}")
    if root.expires - now < limits.ROOT_SOON:
        print(f"it expires in {counted((root.expires - now) // _DAY, 'day')}")


def _refused(one: Refused) -> str:
    if one.channel is None:
        return "clients refuse the Release that is there from now on: `portage-ext sign`, `portage-ext release sign`"
    return (
        f"clients refuse release {one.number} of {one.channel} from now on: `portage-ext sign`, `portage-ext publish "
        f"--channel {one.channel}`"
    )
