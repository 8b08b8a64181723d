"""portage-ext release: sign the index of a binhost as a whole, keep a quiet one fresh, rotate its key."""

from __future__ import annotations

import argparse
from pathlib import Path

from portage_ext.cli import objects, places
from portage_ext.model.release import Release
from portage_ext.tasks.releasing import in_place
from portage_ext.words import minute


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sign = actions.add_parser("sign", help="publish the index as it is now under the next version")
    again = actions.add_parser("resign", help="publish the same index again before its Release expires")
    show = actions.add_parser("show", help="print what the Release says")
    for one in (sign, again):
        one.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: Portage's PKGDIR)")
        places.key(one)
        places.config_root(one)
        one.add_argument("--valid-days", type=int, metavar="N", help="days until it expires (default: [release] valid-days)")
        one.add_argument("--channel", help="(default: [release] channel)")
        one.add_argument(
            "--keys-next",
            nargs="+",
            default=(),
            metavar="FPR",
            help="the keys that may sign the next Releases (clients with pinned root keys ignore it)",
        )
    sign.add_argument(
        "--at-least", type=int, default=1, metavar="N", help="use at least this version number (after losing a Release)"
    )
    again.add_argument("--force", action="store_true", help="also when most of its validity is still to come")
    show.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: Portage's PKGDIR)")
    for one in (sign, again, show):
        objects.option(one)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0."""
    if options.action == "show":
        _tell(in_place.current(options.pkgdir), options.json)
        return 0
    again = options.action == "resign"
    made = in_place.sign(
        places.site(options),
        pkgdir=options.pkgdir,
        key=options.key,
        homedir=options.homedir,
        valid_days=options.valid_days,
        channel=options.channel,
        keys_next=options.keys_next,
        at_least=1 if again else options.at_least,
        again=again,
        force=again and options.force,
    )
    _tell(made, options.json)
    return 0


def _tell(release: Release | None, as_json: bool) -> None:
    if not as_json:
        print(_described(release) if release else "the Release is fresh enough; nothing was done")
        return
    values: dict[str, object] = {"release": release.version if release else None}
    if release:
        values |= {"repository": release.repository, "channel": release.channel, "created": release.created}
        values |= {"expires": release.expires, "keys_next": list(release.keys_next)}
    objects.show(values)


def _described(release: Release) -> str:
    expires = minute(release.expires)
    keys = f", then signed by {' or '.join(release.keys_next)}" if release.keys_next else ""
    return f"Release {release.version} of {release.repository}/{release.channel}, expires {expires}{keys}"
