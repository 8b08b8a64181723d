"""portage-ext sign: give every package of a PKGDIR a valid signature of the current key, and the index its new digests."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from portage_ext import shown
from portage_ext.config import settings as configuration
from portage_ext.errors import UsageError
from portage_ext.errors.trust import GpgError
from portage_ext.folding import fold
from portage_ext.gpkg.verify import XPAK_UNSIGNED, Judge, reason, verify_packages
from portage_ext.host.pkgdir import PkgdirSettings, index_lock, pkgdir_settings, repository_of
from portage_ext.model import XPAK_SUFFIXES
from portage_ext.pkgdir.changes import Vouched
from portage_ext.pkgdir.reindex import Reindexer
from portage_ext.pkgdir.signing import Signed, packages, sign_pkgdir
from portage_ext.trust import gpg
from portage_ext.trust.keyfiles import only
from portage_ext.trust.keyrings import fingerprint
from portage_ext.trust.signer import GpgSigner, SigningKey, signing_key


def key_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say who signs."""
    parser.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: Portage's PKGDIR)")
    parser.add_argument("--key", metavar="FPR", help="whole fingerprint of the key or subkey (default: [sign] key, else gpg's)")
    parser.add_argument("--homedir", type=Path, help="home of gpg (default: [sign] homedir, else gpg's own)")
    root = Path(os.environ.get("PORTAGE_CONFIGROOT") or os.environ.get("PORTAGE_OVERRIDE_EPREFIX", "") + "/")
    parser.add_argument("--config-root", type=Path, default=root, help="PORTAGE_CONFIGROOT (default: %(default)s)")


def arguments(parser: argparse.ArgumentParser) -> None:
    key_arguments(parser)
    parser.add_argument("--all", action="store_true", help="sign also what has a valid signature")
    parser.add_argument("--check", action="store_true", help="sign nothing; say what would be, and exit 1 if there is any")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="packages signed at once (default: one a CPU)")
    parser.add_argument("--no-index", action="store_true", help="leave the index alone; the caller makes it anew")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PACKAGE", help="sign these files only, without an index")


def run(options: argparse.Namespace) -> int:
    if options.jobs < 0:
        raise UsageError("--jobs takes a number of packages, or 0 for one a CPU")
    started = time.monotonic()
    with signing(options) as (signer, ring):
        # A subkey's signature counts for its primary key, which is what clients pin.
        judge = gpg.judge_many([ring], frozenset({signer.key.primary}))
        if options.paths:
            return _sign(options, options.paths, signer, judge, started)[0]
        settings = pkgdir_settings(options.pkgdir)
        with index_lock(settings.pkgdir):
            status, done = _sign(options, packages(settings.pkgdir), signer, judge, started)
            if not (options.check or options.no_index):
                _reindex(settings, done, signer.key.fingerprint)
        xpak = [(str(path), f"not signed: {XPAK_UNSIGNED}") for path in packages(settings.pkgdir, XPAK_SUFFIXES)]
        for line in fold(xpak):
            print(f"portage-ext sign: {line}", file=sys.stderr)
        return status or bool(xpak)


@contextlib.contextmanager
def signing(options: argparse.Namespace, *, unattended: bool = False) -> Iterator[tuple[GpgSigner, Path]]:
    """The signer that ``options`` ask for, and a keyring that holds its public key; see GpgSigner for ``unattended``."""
    configured = configuration.load(options.config_root)
    wanted = options.key or configured.sign.key
    homedir = options.homedir or configured.sign.homedir
    key = signing_key(homedir, fingerprint(wanted) if wanted else None)
    cosigners = tuple(signing_key(homedir, fingerprint(one)) for one in configured.release.cosign)
    with tempfile.TemporaryDirectory(prefix="portage-ext.") as directory:
        ring = Path(directory) / "current.gpg"
        ring.write_bytes(public_key(homedir, key))
        yield GpgSigner(key, homedir, unattended, cosigners), ring


def public_key(homedir: Path | None, key: SigningKey) -> bytes:
    """The public part of ``key``. Raises GpgError."""
    from portage_ext.trust.gpg_home import opened

    exported = opened(homedir).export_keys(key.primary, armor=False)
    if not isinstance(exported, bytes) or not exported:
        raise GpgError("gpg", f"the public key {key.primary} cannot be exported")
    return only([exported], key.primary, "the signing key")


def _sign(
    options: argparse.Namespace, paths: list[Path], signer: GpgSigner, judge: Judge, started: float
) -> tuple[int, Signed]:
    """The exit status, and what was done."""
    if options.check:
        verdicts = verify_packages(paths, judge, digests=True, jobs=options.jobs)
        for line in fold((str(path), reason(error)) for path, error in verdicts.items() if error is not None):
            print(line)
        lacking = sum(error is not None for error in verdicts.values())
        print(f"{len(paths) - lacking} of {len(paths)} packages carry a valid signature of {signer.key.fingerprint}")
        return (1 if lacking else 0), Signed((), (), {})
    report = sign_pkgdir(paths, signer, judge, everything=options.all, jobs=options.jobs)
    for line in fold((str(path), f"not signed: {reason(error)}") for path, error in report.failed.items()):
        print(shown.line(f"portage-ext sign: {line}"), file=sys.stderr)
    print(
        f"{len(report.signed)} signed by {signer.key.fingerprint}, {len(report.valid)} valid before, "
        f"{len(report.failed)} failed, {time.monotonic() - started:.2f} s"
    )
    return (1 if report.failed else 0), report


def _reindex(settings: PkgdirSettings, done: Signed, fingerprint: str) -> None:
    """Give the index the new sizes and digests, in the same step: the lock of PKGDIR is held already.

    What cannot be signed whatever the key is left out.
    """
    repository = repository_of(settings, lambda pkgdir: contextlib.nullcontext())

    def named(paths: Iterable[Path]) -> frozenset[str]:
        return frozenset(str(path.relative_to(settings.pkgdir)) for path in paths)

    unsigned = named(path for path, error in done.unsigned.items() if not isinstance(error, GpgError))
    report = Reindexer(repository).run(withheld=unsigned, vouched=Vouched(fingerprint, named([*done.signed, *done.valid])))
    for line in fold((error.path, error.reason) for error in report.left_out):
        print(f"portage-ext sign: left out of the index: {line}", file=sys.stderr)
