"""Sign all packages of a PKGDIR with the current key, and name each package that could not be signed, with the reason.

One gpg checks all Manifests for existing signatures. The other packages are signed, several at once. A package with a bad
signature is not signed again: somebody has changed it, and a new signature would hide that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import (
    EmptyPackageError,
    MalformedPackageError,
    OversizedPackageError,
    PackageError,
    PortageExtError,
    TruncatedPackageError,
    UnreadablePackageError,
)
from portage_ext.errors.trust import BadSignatureError, TrustError
from portage_ext.gpkg.sign import Signer, sign_package
from portage_ext.gpkg.verify import Judge, Matched, verify_packages
from portage_ext.model import GPKG_SUFFIX

_MOST_JOBS: Final = 8
"""More signatures at once than this only wait for gpg-agent."""
_NO_PACKAGE: Final = (EmptyPackageError, TruncatedPackageError, OversizedPackageError, MalformedPackageError)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a run did. ``failed`` has the reason for each package without a valid signature."""

    signed: tuple[Path, ...]
    valid: tuple[Path, ...]
    failed: Mapping[Path, PortageExtError]

    @property
    def unsigned(self) -> Mapping[Path, PortageExtError]:
        """Those of ``failed`` that must be left out of the index. A file that is not a package is left out anyway."""
        return {path: error for path, error in sorted(self.failed.items()) if not isinstance(error, _NO_PACKAGE)}


def packages(pkgdir: Path, suffixes: tuple[str, ...] = (GPKG_SUFFIX,)) -> list[Path]:
    """Every gpkg below ``pkgdir``, in order, without hidden files and symbolic links. Raises OSError."""
    return sorted(_walk(str(pkgdir), suffixes))


def _walk(directory: str, suffixes: tuple[str, ...], depth: int = 0) -> Iterator[Path]:
    with os.scandir(directory) as found:
        for one in found:
            if one.name.startswith("."):
                continue
            if one.is_dir(follow_symlinks=False):
                # The index does not list deeper files either, and reindex reports them.
                if depth < limits.DIRECTORY_DEPTH:
                    yield from _walk(one.path, suffixes, depth + 1)
            elif one.name.endswith(suffixes) and one.is_file(follow_symlinks=False):
                yield Path(one.path)


def sign_pkgdir(
    paths: Sequence[Path],
    signer: Signer,
    judge: Judge,
    *,
    everything: bool = False,
    jobs: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    matched: Matched | None = None,
) -> Signed:
    """Sign those of ``paths`` that ``judge`` finds without a valid signature; with ``everything`` all of them.

    ``jobs`` packages are signed at once (0: one a CPU). ``matched`` gets those whose members match, for a check that follows in
    this process. The caller holds the lock of PKGDIR.
    """
    verdicts = verify_packages(paths, judge, digests=False, jobs=jobs, matched=matched)
    failed: dict[Path, PortageExtError] = {
        path: error for path, error in verdicts.items() if isinstance(error, BadSignatureError | PackageError)
    }
    todo = [path for path in paths if path not in failed and (everything or isinstance(verdicts[path], TrustError))]
    signed: list[Path] = []
    with ThreadPoolExecutor(min(jobs or os.cpu_count() or 1, _MOST_JOBS)) as pool:
        running = {pool.submit(_sign, path, signer): path for path in todo}
        for done, future in enumerate(as_completed(running), 1):
            error = future.result()
            if error is None:
                signed.append(running[future])
            else:
                failed[running[future]] = error
            progress(done, len(todo))
    touched = {*failed, *signed}
    return Signed(tuple(sorted(signed)), tuple(path for path in paths if path not in touched), failed)


def _sign(path: Path, signer: Signer) -> PortageExtError | None:
    try:
        sign_package(path, signer)
    except PortageExtError as error:
        return error
    except OSError as error:
        return UnreadablePackageError(str(path), f"cannot be replaced: {error.strerror}")
    return None
