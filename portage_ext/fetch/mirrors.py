"""A file is given up only after it failed at every mirror in several rounds, and the error names the file.

Each round asks every mirror once, in order. The pause between rounds doubles. A partial file is continued at the next mirror. A
mirror that lacks the file, or sent a complete but wrong file, is not asked for it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from portage_ext import limits
from portage_ext.errors.trust import (
    AllMirrorsFailedError,
    CorruptFileError,
    MirrorError,
    OversizedFileError,
    TransferError,
    TrustError,
    UnsupportedUrlError,
)
from portage_ext.fetch.sinks import Sink
from portage_ext.fetch.transfer import TRANSPORTS, Patience, Transfer, Transport, backoff, factory, parsed
from portage_ext.records import field, record
from portage_ext.shown import short


@record(frozen=False)
class Transports:
    """The transports of one run. Each is made when it is first needed."""

    _made: dict[str, Transport] = field(default_factory=dict)

    def transport(self, url: str) -> Transport:
        """The transport for ``url``. Raises UnsupportedUrlError."""
        scheme = parsed(url).scheme
        kind = TRANSPORTS.get(scheme, scheme)
        if kind not in self._made:
            make = factory(scheme)
            if make is None:
                raise UnsupportedUrlError(url, f"{scheme or 'a path'} is no way to fetch and verify")
            self._made[kind] = make()
        return self._made[kind]

    def close(self) -> None:
        for one in self._made.values():
            one.close()


@record
class Mirrors:
    """Mirrors with the same files: their base URLs in the order in which they are asked."""

    bases: tuple[str, ...]
    transports: Transports
    patience: Patience = field(default_factory=Patience)
    retries: int = 2
    longest_pause: float = limits.MAX_BACKOFF
    report: Callable[[TrustError], None] = lambda error: None
    """Called with the error of each failed attempt."""
    progress: Callable[[int], None] = lambda count: None
    """Called with the number of bytes that arrived."""

    def fetch(self, path: str, limit: int, sink: Sink, offset: int = 0, first: Transport | None = None) -> str:
        """Fetch ``path`` (below each base) into ``sink``: at most ``limit`` bytes, of which ``sink`` already has ``offset``.

        ``first`` is the transport for the first attempt at the first mirror. Returns the base URL of the mirror that sent the
        file. Raises AllMirrorsFailedError.
        """
        reasons: dict[str, TransferError] = {}
        asked = list(self.bases[: limits.MAX_MIRRORS])
        attempt = _Attempt(self, path, limit, sink, offset)
        for round_number in range(self.retries + 1):
            for base in list(asked):
                error = attempt.run(base, first) if first else attempt.run(base)
                if first is not None and error is not None and _passes(error):
                    # A failure of the simple transport need not be the mirror's, so the mirror is asked again with the usual
                    # one.
                    error = attempt.run(base)
                first = None
                if error is None:
                    return base
                reasons[base] = error
                self.report(error)
                if not _passes(error):
                    asked.remove(base)
            if not asked or round_number == self.retries:
                break
            backoff(round_number, self.longest_pause)
        raise AllMirrorsFailedError(path, tuple(reasons.values()))


def _passes(error: TransferError) -> bool:
    """Whether a mirror is asked for the file again: yes if it could not be used, no if it has answered."""
    return isinstance(error, MirrorError) and error.transient


@record(frozen=False)
class _Attempt:
    """The attempts at one file; ``offset`` is the number of bytes that arrived so far."""

    mirrors: Mirrors
    path: str
    limit: int
    sink: Sink
    offset: int

    def run(self, base: str, transport: Transport | None = None) -> TransferError | None:
        """Try one mirror once. Returns why it failed; None if the file is complete."""
        transfer = Transfer(f"{base}/{self.path}", self.limit, self._take, self.sink.restart, self.offset, self._splice)
        try:
            (transport or self.mirrors.transports.transport(base)).run(transfer, self.mirrors.patience)
            self.sink.finish(transfer.shown)
        except TransferError as error:
            if isinstance(error, OversizedFileError | CorruptFileError):
                transfer.begin_anew()
            return error
        except (OSError, ValueError) as error:
            # An unexpected error in a transport counts as a failure of this mirror. A file that cannot be written here is an
            # OutputError instead.
            return MirrorError(transfer.shown, f"it cannot be used ({short(error)})")
        finally:
            self.offset = transfer.offset
        return None

    def _splice(self, source: int, count: int) -> int | None:
        taken = self.sink.splice(source, count)
        if taken:
            self.mirrors.progress(taken)
        return taken

    def _take(self, block: bytes | memoryview) -> None:
        self.sink.write(block)
        self.mirrors.progress(len(block))


def bases(sync_uri: str, mirrors: Sequence[str]) -> tuple[str, ...]:
    """The base URLs of a binrepo without duplicates: sync-uri first, then its mirrors."""
    return tuple(dict.fromkeys(url.rstrip("/") for url in (sync_uri, *mirrors)))
