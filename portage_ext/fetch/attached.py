"""A document of a release is verified through the index: the Release has the digest of the index, its header that of the
document."""

from __future__ import annotations

import io

from portage_ext.errors.fleet import NoDocumentError
from portage_ext.errors.trust import CorruptFileError
from portage_ext.fetch import index
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.sinks import MemorySink
from portage_ext.index.text import read_header
from portage_ext.model import release


class BoundSink(MemorySink):
    """Receives a document ``name`` that must have the digests of ``bound``, which is in the index."""

    def __init__(self, name: str, bound: str) -> None:
        super().__init__()
        self._name, self._bound = name, bound

    def finish(self, where: str) -> None:
        if release.binding(self._name, self.data) != self._bound:
            raise CorruptFileError(where, "it is not the one that the index binds")


def verified(binrepo: Binrepo, name: str, most: int, now: int) -> bytes:
    """Fetch the document ``name`` of the live release of ``binrepo``, verified from the Release on. ``most`` is in bytes,
    ``now`` in seconds since the epoch.

    Raises NoDocumentError, TrustError, AllMirrorsFailedError.
    """
    obtained = index.obtain(binrepo, now)
    bound = read_header(io.BytesIO(obtained.text), binrepo.name).get(release.DOCUMENTS[name], "")
    size = release.bound_size(name, bound)
    if not obtained.bound:
        raise NoDocumentError(binrepo.name, name, "no signed Release proves it")
    if size is None:
        raise NoDocumentError(binrepo.name, name, "its release has none")
    if size > most:
        raise NoDocumentError(binrepo.name, name, f"it is larger than {most} bytes")
    sink = BoundSink(name, bound)
    binrepo.mirrors().fetch(name, size, sink)
    return sink.data
