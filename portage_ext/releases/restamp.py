"""All forms of an index for a release, with its own TIMESTAMP: clients ignore an index that does not look newer.

A form is a sequence of members or frames, and the first has the header (index/blocks). A block whose text an earlier release
already has is copied from there, compressed; a hidden file of each release says where its blocks begin.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from portage_ext import limits
from portage_ext.index.blocks import begins, gzip_member, zstd_frame
from portage_ext.index.forms import GZIP, ZSTD
from portage_ext.index.text import emit_header
from portage_ext.model.release import PLAIN_FORM
from portage_ext.releases.contents import Contents
from portage_ext.releases.note import BLOCKS_NAME

_Compressed = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Forms:
    """The forms of an index by name, and what the file beside them says of their blocks."""

    forms: dict[str, bytes]
    blocks: bytes


def restamp(contents: Contents, timestamp: int, earlier: Iterable[Path]) -> Forms:
    """All forms of the index ``contents`` with ``timestamp`` (seconds since 1970), after the releases in ``earlier``."""
    head = emit_header({**contents.header, "TIMESTAMP": str(timestamp)})
    known: dict[bytes, _Compressed] = {}
    for directory in earlier:
        known |= _blocks(directory)
    texts = list(_cut(contents.entries))
    if b"".join(texts) != contents.body:
        texts = [contents.body] if contents.body else []
    # zlib lets go of the interpreter.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        made = list(threads.map(lambda text: known.get(text) or (gzip_member(text), zstd_frame(text)), texts))
    sizes = [(len(text), len(gz), len(zst)) for text, (gz, zst) in zip(texts, made, strict=True)]
    forms = {
        PLAIN_FORM: head + contents.body,
        GZIP: b"".join([gzip_member(head, timestamp), *(gz for gz, _ in made)]),
        ZSTD: b"".join([zstd_frame(head), *(zst for _, zst in made)]),
    }
    return Forms(forms, json.dumps(sizes).encode())


def _cut(entries: Mapping[str, bytes]) -> Iterator[bytes]:
    """The texts of blocks. A block begins where the name of a package, without the number, says so (index/blocks)."""
    block: list[bytes] = []
    last = ""
    for path, text in entries.items():
        name = path.rpartition("-")[0]
        if block and name != last and begins(name.encode()):
            yield b"\n\n".join([*block, b""])
            block = []
        block.append(text)
        last = name
    if block:
        yield b"\n\n".join([*block, b""])


def _blocks(directory: Path) -> dict[bytes, _Compressed]:
    """The blocks of the release in ``directory`` by text; none if it is of the former form or is damaged."""
    try:
        with (directory / BLOCKS_NAME).open("rb") as file:
            sizes = [(int(text), int(gz), int(zst)) for text, gz, zst in json.loads(file.read(limits.MAX_NOTE_SIZE))]
        plain, gz, zst = (memoryview((directory / name).read_bytes()) for name in (PLAIN_FORM, GZIP, ZSTD))
    except (OSError, ValueError, TypeError):
        return {}
    found: dict[bytes, _Compressed] = {}
    at = [len(form) - sum(one[place] for one in sizes) for place, form in enumerate((plain, gz, zst))]
    if min(at) < 0 or any(size < 0 for one in sizes for size in one):
        return {}
    for one in sizes:
        text, member, frame = (bytes(form[a : a + size]) for form, a, size in zip((plain, gz, zst), at, one, strict=True))
        found[text] = member, frame
        at = [a + size for a, size in zip(at, one, strict=True)]
    return found
