"""Blocks that this host has compressed itself or looked into, so that a promotion or a rollback need not expand them again.

A file below /var/lib/portage-ext has the digest of each such block with its compressed forms, the newest last. It is not in the
tree: nobody who can only write there can pass off a compressed form as one that was looked into. Without the file, or if it is
damaged, the gate `index` expands all blocks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.limits import MAX_BLOCKS_LOOKED_INTO
from portage_ext.records import record
from portage_ext.releases.blocks import Block, digest, identified

PLACE: Final = Path("var/lib/portage-ext/blocks")
"""Below EROOT."""
_FORM: Final = b"portage-ext looked 1\n"
_DIGEST: Final = 32


@record
class Looked:
    """What is written in the file at ``path``."""

    path: Path

    def known(self, blocks: Sequence[Block]) -> tuple[Block, ...]:
        """The same blocks; those that were looked into are ``known``."""
        identified(blocks)
        there = frozenset(self._read())
        return tuple(one if one.known or digest(one.identity) not in there else one.as_known() for one in blocks)

    def add(self, blocks: Iterable[Block]) -> None:
        """Remember ``blocks``. If the file cannot be written, that costs the next promotion time, and nothing else."""
        before = self._read()
        now = dict.fromkeys(digest(one.identity) for one in blocks)
        if now.keys() <= frozenset(before):
            return
        data = b"".join([*(one for one in before if one not in now), *now][-MAX_BLOCKS_LOOKED_INTO:])
        with contextlib.suppress(OSError):
            files.make_directory(self.path.parent)
            files.replace_file(self.path, _FORM + digest(data) + data, lasting=False)

    def _read(self) -> list[bytes]:
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            whole = file.read(len(_FORM) + _DIGEST + _DIGEST * MAX_BLOCKS_LOOKED_INTO + 1)
            said, data = whole[len(_FORM) :][:_DIGEST], whole[len(_FORM) + _DIGEST :]
            if whole.startswith(_FORM) and said == digest(data) and len(data) % _DIGEST == 0:
                return [data[at : at + _DIGEST] for at in range(0, len(data), _DIGEST)]
        return []
