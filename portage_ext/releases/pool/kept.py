"""What each block of a PKGDIR became in its last release is kept in that PKGDIR, by digests.

Its index decides what is published, so nobody who can only write to the tree can put an entry into the next release.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from portage_ext import files, limits
from portage_ext.releases.blocks import Block, digest

KEPT: Final = ".portage-ext.blocks"
"""In a PKGDIR: what its blocks were in its last release, each by its digest."""
_KEPT_FORM: Final = b"portage-ext blocks 2\n"
_DIGEST: Final = 32


def keep(pkgdir: Path, pairs: Iterable[tuple[bytes, Block]]) -> None:
    """Write for each block of PKGDIR, by its digest, what it is in a release. Nothing depends on it."""
    data = b"".join(one + block.identity for one, block in pairs)
    with contextlib.suppress(OSError):
        files.replace_file(pkgdir / KEPT, _KEPT_FORM + digest(data) + data, lasting=False)


def kept(pkgdir: Path) -> dict[bytes, bytes]:
    """The identities of blocks in the last release of PKGDIR, by the digest of the block in PKGDIR."""
    with contextlib.suppress(OSError), (pkgdir / KEPT).open("rb") as file:
        whole = file.read(limits.MAX_NOTE_SIZE)
        said, data = whole[len(_KEPT_FORM) :][:_DIGEST], whole[len(_KEPT_FORM) + _DIGEST :]
        if whole.startswith(_KEPT_FORM) and said == digest(data) and len(data) % (3 * _DIGEST) == 0:
            step = 3 * _DIGEST
            return {data[at : at + _DIGEST]: data[at + _DIGEST : at + step] for at in range(0, len(data), step)}
    return {}
