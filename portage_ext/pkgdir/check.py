"""An index is up to date if each of its forms has exactly the content of a new index."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import zstandard

from portage_ext import limits
from portage_ext.errors import InvalidIndexError
from portage_ext.index.blocks import Row
from portage_ext.index.forms import GZIP, PLAIN, ZSTD
from portage_ext.index.text import parse_index
from portage_ext.pkgdir.reindex import KEPT_HEADER, Repository

_UNSTABLE = ("TIMESTAMP", *KEPT_HEADER)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: the file or package, and what differs."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def _entry(text: bytes) -> dict[str, str]:
    lines = text.decode("utf-8", "replace").rstrip("\n").split("\n")
    return {key: value[1:] for key, _, value in (line.partition(":") for line in lines)}


def compare(repository: Repository, wanted: Sequence[tuple[Row, bytes]]) -> list[Difference]:
    """What differs between the index in PKGDIR and the entries that it should have, in order."""
    plain = repository.pkgdir / PLAIN
    try:
        data = plain.read_bytes()
        header, entries = parse_index(io.BytesIO(data), PLAIN)
        there = [entry.values for entry in entries]
    except FileNotFoundError:
        return [Difference(PLAIN, "is missing")]
    except InvalidIndexError as error:
        return [Difference(PLAIN, error.detail)]
    except OSError as error:
        return [Difference(PLAIN, f"cannot be read: {error.strerror}")]
    return [
        *_headers(header, {**repository.header, "PACKAGES": str(len(wanted))}),
        *_entries(there, [(row.path, _entry(text)) for row, text in wanted]),
        *_forms(repository, data),
    ]


def _headers(there: Mapping[str, str], wanted: Mapping[str, str]) -> list[Difference]:
    keys = sorted((there.keys() | {key for key in wanted if wanted[key]}) - set(_UNSTABLE))
    return [
        Difference(PLAIN, f"header {key} is {there.get(key, '')!r} and should be {wanted.get(key, '')!r}")
        for key in keys
        if there.get(key, "") != wanted.get(key, "")
    ]


def _entries(there: Sequence[Mapping[str, str]], wanted: Sequence[tuple[str, Mapping[str, str]]]) -> list[Difference]:
    found = {entry.get("PATH", ""): entry for entry in there}
    should = dict(wanted)
    differences = [Difference(path, "is not in the index") for path in should if path not in found]
    differences += [Difference(path or "an entry without PATH", "is only in the index") for path in found if path not in should]
    for path, values in should.items():
        entry = found.get(path)
        if entry is not None and entry != values:
            keys = sorted(key for key in entry.keys() | values.keys() if entry.get(key) != values.get(key))
            differences.append(Difference(path, f"differs in {', '.join(keys)}"))
    if not differences and [entry.get("PATH", "") for entry in there] != [path for path, _ in wanted]:
        differences.append(Difference(PLAIN, "the entries are in another order"))
    return differences


def _forms(repository: Repository, data: bytes) -> list[Difference]:
    differences: list[Difference] = []
    if repository.compress:
        differences += _form(repository.pkgdir / GZIP, data)
    elif (repository.pkgdir / GZIP).exists():
        differences.append(Difference(GZIP, "exists although FEATURES lacks compress-index"))
    return differences + _form(repository.pkgdir / ZSTD, data)


def _form(path: Path, data: bytes) -> list[Difference]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                same = _equals(file, data)
        else:
            with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as stream:
                same = _equals(stream, data)
    except FileNotFoundError:
        return [Difference(path.name, "is missing")]
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        return [Difference(path.name, f"cannot be read: {error}")]
    return [] if same else [Difference(path.name, f"was not written together with {PLAIN}")]


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _equals(stream: _Readable, data: bytes) -> bool:
    at = 0
    while block := stream.read(limits.READ_BLOCK):
        if data[at : at + len(block)] != block:
            return False
        at += len(block)
    return at == len(data)
