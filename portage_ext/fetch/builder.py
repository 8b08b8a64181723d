"""A binhost's builder.json, by way of its verified index: Release ▸ index header ▸ the file, each bound by the one before."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

from portage_ext import limits
from portage_ext.errors import NoBuilderError
from portage_ext.errors.trust import CorruptFileError
from portage_ext.fetch import index
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.sinks import MemorySink
from portage_ext.index.text import read_header
from portage_ext.model import builder
from portage_ext.model.builder import Builder


@dataclass(frozen=True, slots=True)
class Described:
    """A binhost's builder, its index as text (None when that was not read), and whether a trusted key stands behind both."""

    builder: Builder
    index: bytes | None
    verified: bool


class _BoundSink(MemorySink):
    """A small file that must be the one that the index binds."""

    def __init__(self, bound: str) -> None:
        super().__init__()
        self._bound = bound

    def finish(self, where: str) -> None:
        if builder.binding(self.data) != self._bound:
            raise CorruptFileError(where, "it is not the one that the index binds")


def verified(binrepo: Binrepo, now: int) -> Described:
    """What the Release of ``binrepo`` binds. Raises TrustError, AllMirrorsFailedError, NoBuilderError, InvalidBuilderError."""
    obtained = index.obtain(binrepo, now)
    header = read_header(io.BytesIO(obtained.text), binrepo.name)
    return Described(bound_by(binrepo, header), obtained.text, obtained.bound)


def bound_by(binrepo: Binrepo, header: Mapping[str, str]) -> Builder:
    """What an index with ``header`` binds. Raises AllMirrorsFailedError, NoBuilderError, InvalidBuilderError."""
    bound = header.get(builder.HEADER, "")
    if not bound:
        raise NoBuilderError(binrepo.name)
    sink = _BoundSink(bound)
    binrepo.mirrors().fetch(builder.NAME, builder.bound_size(bound, binrepo.name), sink)
    return builder.parse(sink.data, f"{binrepo.name}: {builder.NAME}")


def unverified(binrepo: Binrepo) -> Described:
    """What lies at the address of ``binrepo``, by whomever. Raises AllMirrorsFailedError, InvalidBuilderError."""
    sink = MemorySink()
    binrepo.mirrors().fetch(builder.NAME, limits.BUILDER_SIZE, sink)
    return Described(builder.parse(sink.data, f"{binrepo.base}/{builder.NAME}"), None, verified=False)
