"""The index of a release matches its files, and clients accept every entry."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors.releases import Finding
from portage_ext.errors.trust import DamagedIndexError
from portage_ext.index.expand import expand
from portage_ext.index.forms import GZIP, ZSTD
from portage_ext.model import STRONG, IndexEntry
from portage_ext.model.release import PLAIN_FORM
from portage_ext.releases.contents import Contents
from portage_ext.releases.gates import Candidate, Context
from portage_ext.trust import entries as trusted

_AT_ONCE_FROM: Final = 32
"""Files for which threads are worth their start."""


@dataclass(frozen=True, slots=True)
class IndexGate:
    """The index matches the files: all forms have the same content, clients accept every entry, every file has the size of its
    entry, and every fresh file has the digests of its entry."""

    name: str = "index"

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        plain = candidate.forms[PLAIN_FORM]
        for form, data in candidate.forms.items():
            if _carried(candidate.contents, form, data, plain):
                continue
            try:
                if expand(form, data, len(plain), form) != plain:
                    yield Finding(self.name, form, f"has other content than {PLAIN_FORM}")
            except DamagedIndexError as error:
                yield Finding(self.name, form, str(error))
        if len(plain) > limits.MAX_OFFERED_INDEX:
            yield Finding(self.name, PLAIN_FORM, f"is larger than {limits.MAX_OFFERED_INDEX} bytes, which clients refuse")
        counted = candidate.contents.header.get("PACKAGES", "")
        if counted != str(len(candidate.contents.entries)):
            yield Finding(
                self.name,
                PLAIN_FORM,
                f"PACKAGES in its header is {counted or 'missing'}, but it has {len(candidate.contents.entries)} entries",
            )
        yield from self._sizes(candidate)
        fresh = dict(candidate.fresh_entries())
        for refused in trusted.sanitise(PLAIN_FORM, candidate.contents.header, fresh.values(), strong=True).left_out:
            yield Finding(self.name, refused.where, refused.why)
        for path, reason in zip(fresh, _mismatches(candidate.directory, fresh), strict=True):
            if reason:
                yield Finding(self.name, path, reason)

    def _sizes(self, candidate: Candidate) -> Iterator[Finding]:
        top = str(candidate.directory)
        for path in candidate.contents.entries:
            if path in candidate.looked:
                continue
            text = candidate.contents.entries[path]
            try:
                size = os.stat(f"{top}/{path}", follow_symlinks=False).st_size
            except OSError as error:
                yield Finding(self.name, path, f"cannot be read: {error.strerror}")
                continue
            lines = b"\n%s\n" % text
            if lines.count(b"\nSIZE:") != 1 or b"\nSIZE: %d\n" % size not in lines:
                yield Finding(self.name, path, f"has {size} bytes, but the index says otherwise")


def _carried(contents: Contents, form: str, data: bytes, plain: bytes) -> bool:
    """Whether ``data`` is the header and the blocks of the index, and each block that is not known says what its text says."""
    if form == PLAIN_FORM:
        return True
    size = len(plain) - len(contents.body)
    parts = [block.gz if form == GZIP else block.zst for block in contents.blocks]
    at = len(data) - sum(map(len, parts))
    if form not in (GZIP, ZSTD) or not parts or at <= 0 or not plain.endswith(contents.body):
        return False
    try:
        if expand(form, data[:at], size, form) != plain[:size]:
            return False
        for block, part in zip(contents.blocks, parts, strict=True):
            if not data.startswith(part, at) or not (block.known or expand(form, part, len(block.text), form) == block.text):
                return False
            at += len(part)
    except DamagedIndexError:
        return False
    return True


def _mismatches(directory: Path, fresh: Mapping[str, IndexEntry]) -> Iterable[str | None]:
    """Why each of ``fresh`` is not the file of its entry; several files at once, since hashlib lets go of the interpreter."""
    if len(fresh) < _AT_ONCE_FROM:
        return [_mismatch(directory / path, entry) for path, entry in fresh.items()]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(lambda path: _mismatch(directory / path, fresh[path]), fresh))


def _mismatch(path: Path, entry: IndexEntry) -> str | None:
    digests = {name: hashlib.new(name.lower()) for name in STRONG if entry.get(name)}
    if not digests:
        return f"has neither {' nor '.join(STRONG)} in the index"
    try:
        with path.open("rb") as file:
            while block := file.read(limits.READ_BLOCK):
                for one in digests.values():
                    one.update(block)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    wrong = [name for name, one in digests.items() if one.hexdigest() != entry.get(name).lower()]
    return f"does not match its digests in the index ({', '.join(wrong)})" if wrong else None


def gate(context: Context) -> IndexGate:
    """The gate ``index``."""
    return IndexGate()
