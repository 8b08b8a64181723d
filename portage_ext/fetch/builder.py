"""A binhost's builder.json is verified through the index: the Release has the digest of the index, its header that of the
file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

from portage_ext import limits
from portage_ext.errors import NoBuilderError
from portage_ext.fetch import index
from portage_ext.fetch.attached import BoundSink
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.sinks import MemorySink
from portage_ext.index.text import read_header
from portage_ext.model import builder
from portage_ext.model.builder import Builder


@dataclass(frozen=True, slots=True)
class Described:
    """A binhost's builder, the text of its index (None if it was not read), and whether a trusted key signed for both."""

    builder: Builder
    index: bytes | None
    verified: bool


def verified(binrepo: Binrepo, now: int) -> Described:
    """Fetch and verify the builder and index of ``binrepo`` from its Release on; ``now`` is in seconds since the epoch.

    Raises TrustError, AllMirrorsFailedError, NoBuilderError, InvalidBuilderError.
    """
    obtained = index.obtain(binrepo, now)
    header = read_header(io.BytesIO(obtained.text), binrepo.name)
    return Described(bound_by(binrepo, header), obtained.text, obtained.bound)


def bound_by(binrepo: Binrepo, header: Mapping[str, str]) -> Builder:
    """Fetch the builder.json whose digest is in the ``header`` of an index.

    Raises AllMirrorsFailedError, NoBuilderError, InvalidBuilderError.
    """
    bound = header.get(builder.HEADER, "")
    if not bound:
        raise NoBuilderError(binrepo.name)
    sink = BoundSink(builder.NAME, bound)
    binrepo.mirrors().fetch(builder.NAME, builder.bound_size(bound, binrepo.name), sink)
    return builder.parse(sink.data, f"{binrepo.name}: {builder.NAME}")


def unverified(binrepo: Binrepo) -> Described:
    """Fetch builder.json of ``binrepo`` without verifying who wrote it. Raises AllMirrorsFailedError, InvalidBuilderError."""
    sink = MemorySink()
    binrepo.mirrors().fetch(builder.NAME, limits.BUILDER_SIZE, sink)
    return Described(builder.parse(sink.data, f"{binrepo.base}/{builder.NAME}"), None, verified=False)
