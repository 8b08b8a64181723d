"""portage-ext root: keys that stay offline say which keys may sign Releases; a stolen one is revoked without visiting a client.

Everything but `publish` runs where the root keys are, on a machine that needs neither Portage nor a network.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import UsageError
from portage_ext.errors.trust import (
    ForeignRepositoryError,
    GpgError,
    MissingRootError,
    ThresholdError,
    TrustError,
    UndelegatedKeyError,
    UnsignedError,
    UntrustedKeyError,
)
from portage_ext.model.root import Root
from portage_ext.releases import roots
from portage_ext.trust import manage
from portage_ext.trust.keyfiles import only
from portage_ext.trust.keyrings import fingerprint
from portage_ext.trust.root import key_name
from portage_ext.trust.signer import GpgSigner, signing_key

_DAY: Final = 86400
_INCOMPLETE: Final[tuple[type[TrustError], ...]] = (ThresholdError, UnsignedError, UntrustedKeyError)
"""Why a root that is being signed does not pass yet."""


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="make the first root in a directory; sign it next")
    following = actions.add_parser("next", help="make the root after the last one; what is not named stays as it was")
    sign = actions.add_parser("sign", help="sign the last root with the root keys that gpg has")
    show = actions.add_parser("show", help="print the last root, and whose signatures it carries")
    publish = actions.add_parser("publish", help="put the roots of a directory beside the channels, if clients will take them")
    for one in (init, following, sign, show, publish):
        one.add_argument("directory", type=Path, metavar="DIR", help="where the roots are kept, with their public keys")
    for one in (init, following):
        first = one is init
        one.add_argument("--root-key", nargs="+", metavar="FPR", required=first, help="the keys that are kept offline")
        one.add_argument("--root-threshold", type=int, metavar="N", help="how many of them must sign a root")
        one.add_argument("--release-key", nargs="+", metavar="FPR", required=first, help="the keys that may sign Releases")
        one.add_argument("--release-threshold", type=int, metavar="N", help="how many of them must sign a Release")
        one.add_argument("--least-release", type=int, metavar="N", help="no Release before this one counts, whoever signed it")
        one.add_argument("--valid-days", type=int, default=365, metavar="N", help="days until it expires (default: 365)")
    init.add_argument("--repository", metavar="ID", help="as `release show` prints it (default: an id of its own)")
    sign.add_argument("--key", nargs="+", metavar="FPR", help="(default: every root key of which gpg has the secret part)")
    for one in (init, following, sign):
        one.add_argument("--homedir", type=Path, help="home of gpg (default: gpg's own)")
    publish.add_argument("--pkgdir", type=Path, metavar="DIR", help="a PKGDIR that is signed in place, instead of a tree")
    publish.add_argument("--tree", type=Path, metavar="DIR", help="the published tree (default: tree of [publish])")
    publish.add_argument("--repository", metavar="NAME", help="another repository of portage-ext.toml, [repository.NAME]")
    place = Path(os.environ.get("PORTAGE_CONFIGROOT") or os.environ.get("PORTAGE_OVERRIDE_EPREFIX", "") + "/")
    publish.add_argument("--config-root", type=Path, default=place, help="PORTAGE_CONFIGROOT (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when `sign` or `show` leaves a root that has too few signatures."""
    match options.action:
        case "init" | "next":
            _make(options)
            return 0
        case "sign":
            _sign(options.directory, options.key, options.homedir)
            return _show(options.directory)
        case "show":
            return _show(options.directory)
        case _:
            _publish(options)
            return 0


# --- where the root keys are


def _make(options: argparse.Namespace) -> None:
    directory, now = options.directory, int(time.time())
    roots.take_over(directory, lambda one: manage.present_in_portage(_home(options.homedir), one))
    before = _last_complete(directory)
    if options.action == "init":
        if before is not None:
            raise UsageError(f"{directory} has root {before.version} already; `portage-ext root next` makes the one after it")
        keys = _keys(options.root_key)
        if options.root_threshold is None and len(keys) > 1:
            raise UsageError("--root-threshold: say how many of the root keys must sign")
        before = Root(options.repository or os.urandom(16).hex(), 0, 0, 0, 1, 1, keys, 1, _keys(options.release_key))
    elif before is None:
        raise MissingRootError(str(directory), "there is no root with all its signatures to go on from")
    made = replace(
        before,
        version=before.version + 1,
        created=now,
        expires=now + options.valid_days * _DAY,
        least_release=options.least_release or before.least_release,
        root_threshold=options.root_threshold or before.root_threshold,
        root_keys=_keys(options.root_key) if options.root_key else before.root_keys,
        release_threshold=options.release_threshold or before.release_threshold,
        release_keys=_keys(options.release_key) if options.release_key else before.release_keys,
    )
    if made.least_release < before.least_release:
        raise UsageError(f"--least-release: root {before.version} says {before.least_release} already; it only grows")
    roots.write(directory, made, _public_keys(directory, (*made.root_keys, *made.release_keys), options.homedir))
    print(f"{directory}/{made.version} is made: look at it, and then sign it with `portage-ext root sign {directory}`")


def _last_complete(directory: Path) -> Root | None:
    """The last root that clients would take; one without enough signatures is a draft, and is made anew."""
    found = roots.versions(directory)
    while found:
        try:
            return roots.chain(directory, found[-1]).root
        except _INCOMPLETE:
            found.pop()
    return None


def _keys(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({fingerprint(one) for one in words}))


def _home(homedir: Path | None) -> Path:
    """The home of gpg that is meant."""
    return homedir or Path(os.environ.get("GNUPGHOME", "~/.gnupg")).expanduser()


def _public_keys(directory: Path, fingerprints: Iterable[str], homedir: Path | None) -> dict[str, bytes]:
    """The public key of each, out of gpg's home unless the directory has it already. Raises GpgError, KeyFileError."""
    found: dict[str, bytes] = {}
    home = _home(homedir)
    for one in fingerprints:
        data = manage.present_in_portage(home, one)
        if data:
            found[one] = only([data], one, f"the key {one}")
        elif not (directory / key_name(one)).is_file():
            raise GpgError("gpg", f"there is no public key {one} in {home}; import it, after you have compared its fingerprint")
    return found


def _sign(directory: Path, wanted: list[str] | None, homedir: Path | None) -> None:
    version = _newest(directory)
    roots.take_over(directory, lambda one: manage.present_in_portage(_home(homedir), one))
    offered = roots.read(directory, version)
    before = roots.chain(directory, version - 1).root if version > 1 else None
    if before is not None and before.repository != offered.root.repository:
        raise ForeignRepositoryError(str(directory), f"root {version} is of another repository than those before it")
    may = {*offered.root.root_keys, *(before.root_keys if before else ())}
    named = _keys(wanted) if wanted else tuple(sorted(may & manage.secret_keys(homedir)))
    if not set(named) <= may or not named:
        strange = sorted(set(named) - may)
        raise UndelegatedKeyError(
            str(directory), f"root {version} is not for {strange[0] if strange else 'any key here'} to sign"
        )
    for one in sorted(set(named) - roots.signers(directory, version)):
        signature = GpgSigner(signing_key(homedir, one), homedir).detach(offered.data)
        roots.add_signature(directory, version, signature)


def _newest(directory: Path) -> int:
    found = roots.versions(directory)
    if not found:
        raise MissingRootError(str(directory), "there is no root")
    return found[-1]


def _show(directory: Path) -> int:
    version = _newest(directory)
    offered, signed = roots.read(directory, version), roots.signers(directory, version)
    print(offered.data.decode("ascii"), end="")
    for one in sorted(signed):
        print(f"signed by {one}")
    try:
        roots.chain(directory, version)
    except _INCOMPLETE as error:
        print(f"not enough signatures yet: {error.why}")
        return 1
    left = (offered.root.expires - int(time.time())) // _DAY
    print(f"clients will take it; it expires in {left} days")
    return 0


# --- where it is published


def _publish(options: argparse.Namespace) -> None:
    now = int(time.time())
    if options.pkgdir:
        from portage_ext.host.pkgdir import index_lock
        from portage_ext.releases.in_place import current

        with index_lock(options.pkgdir):
            release = current(options.pkgdir)
            root = roots.publish(options.directory, options.pkgdir, now, release.repository if release else None)
            if release is not None and not roots.accepts(root, options.pkgdir, options.pkgdir, release.version):
                print("clients refuse the Release that is there from now on: `portage-ext sign`, `portage-ext release sign`")
    else:
        from portage_ext.cli.tree import chosen

        tree, _ = chosen(options)
        with tree.locked():
            known = tree.known()
            root = roots.publish(options.directory, tree.root, now, known[max(known)].repository if known else None)
            for number in known:
                tree.link_root(tree.directory(number))
            for channel, number in tree.channels().items():
                if not roots.accepts(root, tree.root, tree.directory(number), number):
                    print(
                        f"clients refuse release {number} of {channel} from now on: `portage-ext sign`, `portage-ext publish "
                        f"--channel {channel}`"
                    )
    print(f"root {root.version} is published: Releases by {root.release_threshold} of {', '.join(root.release_keys)}")
    if root.expires - now < limits.ROOT_SOON:
        print(f"it expires in {(root.expires - now) // _DAY} days")
