"""The signing key of this host; and sign every package of a PKGDIR with it, with the index updated in the same step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from portage_ext import files
from portage_ext.errors import PackageError, PortageExtError
from portage_ext.errors.trust import GpgError
from portage_ext.model import XPAK_SUFFIXES
from portage_ext.records import field, record, replace
from portage_ext.tasks.site import Site
from portage_ext.trust import gpg
from portage_ext.trust.keyrings import fingerprint
from portage_ext.trust.openpgp import Signature
from portage_ext.trust.signer import GpgSigner, public_key, signing_key

if TYPE_CHECKING:
    from portage_ext.gpkg.verify import Judge, Matched
    from portage_ext.host.pkgdir import PkgdirSettings
    from portage_ext.pkgdir.signatures import SignaturePolicy
    from portage_ext.pkgdir.signing import Signed


@record(eq=False)
class Signing:
    """A signer, and a keyring file that holds its public key."""

    signer: GpgSigner
    ring: Path
    _known: dict[bytes, tuple[Signature, ...]] = field(default_factory=dict)
    """Verdicts of this run: what was judged before it was signed or indexed is judged once more before it is published."""
    matched: Matched = field(default_factory=dict)
    """The packages that this run has compared with their Manifests; their signatures are judged each time."""

    @property
    def key(self) -> str:
        """The fingerprint of the signing key, as it was requested."""
        return self.signer.key.fingerprint

    @property
    def public(self) -> bytes:
        """Its public key, binary and minimal."""
        return self.ring.read_bytes()

    def judge(self, policy: SignaturePolicy | None = None) -> Judge:
        """A judge that accepts signatures of the primary key and of its subkeys.

        With the ``policy`` by which the packages will be indexed, one run of gpg does for both.
        """
        primary, once = self.signer.key.primary, None
        if policy is not None:
            from portage_ext.pkgdir.verified_once import VerifiedOnce  # here and below: not where only Releases are signed

            once = VerifiedOnce(policy, self.public, primary).signatures
        return gpg.judge_many([self.ring], frozenset({primary}), self._known, once)


Found = Callable[[], tuple[GpgSigner, bytes]]
"""What :func:`signer` returns, from a thread in which gpg was asked (portage_ext/beside)."""


@contextlib.contextmanager
def signing(site: Site, *, key: str | None = None, homedir: Path | None = None, unattended: bool = False) -> Iterator[Signing]:
    """As :func:`signing_as` with what :func:`signer` finds; see there."""
    with signing_as(signer(site, key=key, homedir=homedir, unattended=unattended)) as by:
        yield by


def signer(
    site: Site, *, key: str | None = None, homedir: Path | None = None, unattended: bool = False
) -> tuple[GpgSigner, bytes]:
    """The signer with ``key`` (a whole fingerprint) of the gpg home ``homedir``; by default those of [sign], else gpg's own.
    And its public key, binary and minimal.

    See GpgSigner for ``unattended``. Raises GpgError, UsageError.
    """
    configured = site.settings.sign
    wanted, home = key or configured.key, homedir or configured.homedir
    chosen = signing_key(home, fingerprint(wanted) if wanted else None)
    cosigners = tuple(signing_key(home, fingerprint(one)) for one in site.settings.release.cosign)
    return GpgSigner(chosen, home, unattended, cosigners), public_key(home, chosen)


@contextlib.contextmanager
def signing_as(found: tuple[GpgSigner, bytes]) -> Iterator[Signing]:
    """Sign as the signer that was ``found``, with a keyring file that exists until the block ends."""
    by, public = found
    with files.temporary() as directory:
        ring = Path(directory) / "current.gpg"
        ring.write_bytes(public)
        yield Signing(by, ring)


@record
class SignedPackages:
    """What was done with the packages, with which ``key``; what the index leaves out; xpaks, which cannot be signed."""

    key: str
    report: Signed
    left_out: Sequence[PackageError] = ()
    xpaks: Sequence[Path] = ()


@record
class CheckedPackages:
    """Why each package has no valid signature by ``key`` (None: it has one), and xpaks, which cannot be signed."""

    key: str
    verdicts: Mapping[Path, PortageExtError | None]
    xpaks: Sequence[Path] = ()


def sign(
    site: Site,
    paths: Sequence[Path] = (),
    *,
    pkgdir: Path | None = None,
    key: str | None = None,
    homedir: Path | None = None,
    everything: bool = False,
    jobs: int = 0,
    index: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
    signed: Callable[[SignedPackages], None] = lambda done: None,
) -> SignedPackages:
    """Sign the packages in ``pkgdir`` (None: Portage's PKGDIR) without a valid signature and update its index; or sign only
    the files ``paths``, without an index.

    ``everything``: also packages with a valid signature. ``jobs`` packages at once (0: one per CPU). ``index``: update the
    index too. ``signed`` is called with the result before the index is updated: if that fails, the signatures stay.
    Packages that could not be signed are in the result. Raises an error only if the whole run failed: GpgError, PkgdirError,
    LockError, UnknownPortageError, MassRemovalError, OSError.
    """
    from portage_ext.host.pkgdir import index_lock, pkgdir_settings
    from portage_ext.pkgdir.signing import packages, sign_pkgdir

    with signing(site, key=key, homedir=homedir) as by:

        def work(of: Sequence[Path], policy: SignaturePolicy | None = None) -> SignedPackages:
            report = sign_pkgdir(of, by.signer, by.judge(policy), everything=everything, jobs=jobs, progress=progress)
            signed(done := SignedPackages(by.key, report))
            return done

        if paths:
            return work(paths)
        settings = pkgdir_settings(pkgdir)
        with index_lock(settings.pkgdir):
            done = work(packages(settings.pkgdir), settings.policy if index else None)
            left_out = _reindexed(settings, done.report, by.key) if index else ()
        return replace(done, left_out=left_out, xpaks=packages(settings.pkgdir, XPAK_SUFFIXES))


def check(
    site: Site,
    paths: Sequence[Path] = (),
    *,
    pkgdir: Path | None = None,
    key: str | None = None,
    homedir: Path | None = None,
    jobs: int = 0,
) -> CheckedPackages:
    """The signatures that :func:`sign` would find missing; nothing is changed. Raises the same."""
    from portage_ext.gpkg.verify import verify_packages
    from portage_ext.host.pkgdir import index_lock, pkgdir_settings
    from portage_ext.pkgdir.signing import packages

    with signing(site, key=key, homedir=homedir) as by:
        if paths:
            return CheckedPackages(by.key, verify_packages(list(paths), by.judge(), digests=True, jobs=jobs))
        settings = pkgdir_settings(pkgdir)
        with index_lock(settings.pkgdir):
            verdicts = verify_packages(packages(settings.pkgdir), by.judge(), digests=True, jobs=jobs)
        return CheckedPackages(by.key, verdicts, packages(settings.pkgdir, XPAK_SUFFIXES))


def _reindexed(settings: PkgdirSettings, done: Signed, key: str) -> Sequence[PackageError]:
    """Update the index with the new sizes and digests in the same step; the lock of PKGDIR is held already.

    Packages that no key can sign are left out.
    """
    from portage_ext.host.pkgdir import repository_of
    from portage_ext.pkgdir.changes import Vouched
    from portage_ext.pkgdir.reindex import Reindexer

    repository = repository_of(settings, lambda pkgdir: contextlib.nullcontext())

    def named(paths: Iterable[Path]) -> frozenset[str]:
        return frozenset(str(path.relative_to(settings.pkgdir)) for path in paths)

    unsigned = named(path for path, error in done.unsigned.items() if not isinstance(error, GpgError))
    vouched = Vouched(key, named([*done.signed, *done.valid]))
    return Reindexer(repository).run(withheld=unsigned, vouched=vouched).left_out
