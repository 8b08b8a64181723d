"""The index of a release matches its files, and clients accept every entry."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors.releases import Finding
from portage_ext.errors.trust import DamagedIndexError
from portage_ext.index.expand import expand
from portage_ext.index.forms import GZIP
from portage_ext.model import STRONG, IndexEntry
from portage_ext.model.digest import many
from portage_ext.model.release import PLAIN_FORM
from portage_ext.records import record
from portage_ext.releases.blocks import Bytes
from portage_ext.releases.gates import Candidate, Context
from portage_ext.releases.restamp import Forms
from portage_ext.trust import entries as trusted

_AT_ONCE_FROM: Final = 32
"""Files for which threads are worth their start."""


@record
class IndexGate:
    """The index matches the files: all forms have the same content, clients accept every entry, every file has the size of its
    entry, and every fresh file has the digests of its entry."""

    name: str = "index"

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        forms = candidate.forms
        if isinstance(forms, Forms):
            yield from self._in_blocks(forms)
            length = forms.size(PLAIN_FORM)
        else:
            yield from self._as_wholes(forms)
            length = len(forms[PLAIN_FORM])
        if length > limits.MAX_OFFERED_INDEX:
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
        # Files are hashed by threads while the entries are looked at.
        with _mismatches(candidate.directory, fresh) as reasons:
            for refused in trusted.sanitise(PLAIN_FORM, candidate.contents.header, fresh.values(), strong=True).left_out:
                yield Finding(self.name, refused.where, refused.why)
            for path, reason in zip(fresh, reasons, strict=True):
                if reason:
                    yield Finding(self.name, path, reason)

    def _as_wholes(self, forms: Mapping[str, bytes]) -> Iterator[Finding]:
        plain = forms[PLAIN_FORM]
        for form, data in forms.items():
            try:
                if expand(form, data, len(plain), form) != plain:
                    yield Finding(self.name, form, f"has other content than {PLAIN_FORM}")
            except DamagedIndexError as error:
                yield Finding(self.name, form, str(error))

    def _in_blocks(self, forms: Forms) -> Iterator[Finding]:
        """Each form is its head and the blocks: so its head must be the header, and each block must be what its text says."""
        unknown = [block for block in forms.contents.blocks if not block.known]
        head = forms.heads[PLAIN_FORM]
        for form in forms:
            if form == PLAIN_FORM:
                continue
            pairs = [(forms.heads[form], head), *((block.gz if form == GZIP else block.zst, block.text) for block in unknown)]
            # zlib and zstd let go of the interpreter.
            with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
                wrong = next(filter(None, threads.map(lambda pair, form=form: _differs(form, *pair), pairs)), None)
            if wrong is not None:
                yield Finding(self.name, form, wrong)

    def _sizes(self, candidate: Candidate) -> Iterator[Finding]:
        top = str(candidate.directory)
        for path in candidate.contents.entries if candidate.unseen is None else candidate.unseen:
            text = candidate.contents.entries[path]
            try:
                size = os.stat(f"{top}/{path}", follow_symlinks=False).st_size
            except OSError as error:
                yield Finding(self.name, path, _unreadable(error))
                continue
            lines = b"\n%s\n" % text
            if lines.count(b"\nSIZE:") != 1 or b"\nSIZE: %d\n" % size not in lines:
                yield Finding(self.name, path, f"has {size} bytes, but the index says otherwise")


def _differs(form: str, data: Bytes, text: Bytes) -> str | None:
    """Why ``data`` is not ``text`` in this form; None if it is."""
    try:
        return None if expand(form, bytes(data), len(text), form) == text else f"has other content than {PLAIN_FORM}"
    except DamagedIndexError as error:
        return str(error)


@contextmanager
def _mismatches(directory: Path, fresh: Mapping[str, IndexEntry]) -> Iterator[Iterable[str | None]]:
    """Why each of ``fresh`` is not the file of its entry; many are hashed by threads, and a few at a time side by side."""
    if len(fresh) < _AT_ONCE_FROM:
        yield [_mismatch(directory / path, entry) for path, entry in fresh.items()]
        return
    top, every = str(directory), list(fresh.items())
    pieces = [every[start : start + _AT_ONCE_FROM] for start in range(0, len(every), _AT_ONCE_FROM)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield chain.from_iterable(pool.map(lambda some: _together(top, some), pieces))


def _together(top: str, some: Sequence[tuple[str, IndexEntry]]) -> list[str | None]:
    """The same for the files of ``some`` entries; those of usual size, whose digests are computed side by side (ADR 0306)."""
    read: dict[str, list[tuple[int, bytes]]] = {name: [] for name in STRONG}
    found: list[str | None] = []
    for number, (path, entry) in enumerate(some):
        place, said = f"{top}/{path}", [name for name in STRONG if entry.get(name)]
        try:
            data = _small(place) if said else None
        except OSError as error:
            found.append(_unreadable(error))
            continue
        if data is None:
            found.append(_mismatch(Path(place), entry))
            continue
        found.append(None)
        for name in said:
            read[name].append((number, data))
    wrong: dict[int, list[str]] = {}
    for name, files in read.items():
        for (number, _), digest in zip(files, many(name, [data for _, data in files]), strict=True):
            if digest != some[number][1].get(name).lower():
                wrong.setdefault(number, []).append(name)
    for number, names in wrong.items():
        found[number] = _other(names)
    return found


def _small(place: str) -> bytes | None:
    """All bytes of a file of usual size; None if it is larger, or was written to meanwhile. Raises OSError."""
    fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        data = os.read(fd, size + 1) if size <= limits.TOGETHER_SIZE else b""
        return data if len(data) == size else None
    finally:
        os.close(fd)


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
        return _unreadable(error)
    wrong = [name for name, one in digests.items() if one.hexdigest() != entry.get(name).lower()]
    return _other(wrong) if wrong else None


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


def _other(wrong: Iterable[str]) -> str:
    return f"does not match its digests in the index ({', '.join(wrong)})"


def gate(context: Context) -> IndexGate:
    """The gate ``index``."""
    return IndexGate()
