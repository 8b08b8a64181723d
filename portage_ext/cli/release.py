"""portage-ext release: sign the index of a binhost as a whole, keep a quiet one fresh, rotate its key."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

from portage_ext import files
from portage_ext.cli.sign import key_arguments, public_key, signing
from portage_ext.config import settings as configuration
from portage_ext.config.settings import ReleaseSettings
from portage_ext.errors.trust import MissingReleaseError
from portage_ext.fetch.keys import key_path
from portage_ext.host.pkgdir import index_lock, pkgdir_settings
from portage_ext.model.release import Release
from portage_ext.releases.in_place import ReleaseTerms, current, make_release, resign
from portage_ext.trust.keyrings import fingerprint
from portage_ext.trust.signer import GpgSigner, SigningKey

_DAY = 86400


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sign = actions.add_parser("sign", help="publish the index as it is now under the next version")
    again = actions.add_parser("resign", help="publish the same index again before its Release expires")
    show = actions.add_parser("show", help="print what the Release says")
    for one in (sign, again):
        key_arguments(one)
        one.add_argument("--valid-days", type=int, metavar="N", help="days until it expires (default: [release] valid-days)")
        one.add_argument("--channel", help="(default: [release] channel)")
        one.add_argument(
            "--keys-next",
            nargs="+",
            metavar="FPR",
            help="the keys that may sign the next Releases (clients with pinned root keys ignore it)",
        )
    sign.add_argument("--at-least", type=int, default=1, metavar="N", help="let the version not be less (after a lost Release)")
    again.add_argument("--force", action="store_true", help="also when most of its validity is still to come")
    show.add_argument("--pkgdir", type=Path, metavar="DIR")


def run(options: argparse.Namespace) -> int:
    if options.action == "show":
        directory = options.pkgdir or pkgdir_settings(None).pkgdir
        release = current(directory)
        if release is None:
            raise MissingReleaseError(str(directory), "there is no Release")
        print(_described(release))
        return 0
    # The lock of Portage is all that is needed of it, and only where there is a Portage.
    directory = pkgdir_settings(options.pkgdir).pkgdir
    terms = _terms(options, configuration.load(options.config_root).release)
    with signing(options) as (signer, _), index_lock(directory):
        terms = dataclasses.replace(terms, signing=signer.primaries)
        _publish_keys(directory, signer, (signer.key.primary, *(terms.keys_next or ())))
        if options.action == "sign":
            made: Release | None = make_release(directory, terms, signer.sign_release)
        else:
            made = resign(directory, terms, signer.sign_release, force=options.force)
    print(_described(made) if made else "the Release is fresh enough; nothing was done")
    return 0


def _terms(options: argparse.Namespace, settings: ReleaseSettings) -> ReleaseTerms:
    return ReleaseTerms(
        validity=(options.valid_days or settings.valid_days) * _DAY,
        channel=options.channel or settings.channel,
        keys_next=tuple(fingerprint(one) for one in options.keys_next) if options.keys_next else None,
        at_least=getattr(options, "at_least", 1),
    )


def _publish_keys(directory: Path, signer: GpgSigner, fingerprints: tuple[str, ...]) -> None:
    """Put the public keys where clients look for announced ones. Raises GpgError for one that gpg does not have."""
    for one in dict.fromkeys(fingerprints):
        path = directory / key_path(one)
        data = public_key(signer.homedir, SigningKey(one, one))
        if not path.exists() or path.read_bytes() != data:
            files.make_directory(path.parent)
            files.replace_file(path, data)


def _described(release: Release) -> str:
    expires = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(release.expires))
    keys = f", then signed by {' or '.join(release.keys_next)}" if release.keys_next else ""
    return f"Release {release.version} of {release.repository}/{release.channel}, expires {expires}{keys}"
