"""A release is staged, checked, signed, flushed and named before its channel points at it.

Only the last of these steps changes the channel::

    recover     what a killed run left is removed; the next number is taken
    take        new packages are added to the pool, and releases/.staging links to it (releases/taking)
    judge       gates; a release that does not pass stays in .staging
    sign        Release names the index under the next number and a TIMESTAMP that clients take for newer
    commit      one flush of the file system, one rename to releases/<n>, fsync
    switch      one rename of the channel, fsync

Publishing, promoting, rolling back and renewing differ only in where the content comes from. Clients never accept an older
Release, so old content becomes a new release too.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from portage_ext import files
from portage_ext.errors.releases import Finding, PublishError, TreeError
from portage_ext.index.stamp import next_timestamp, parse_timestamp
from portage_ext.model import builder
from portage_ext.model.release import DELTAS, PLAIN_FORM, IndexFile, Release
from portage_ext.records import replace
from portage_ext.releases import beside, blocks, pages, roots
from portage_ext.releases import contents as indices
from portage_ext.releases.blocks import Bytes
from portage_ext.releases.contents import Contents, Difference, difference
from portage_ext.releases.gates import GATES, Candidate, Gate, passed, run_gates
from portage_ext.releases.linking import Placed
from portage_ext.releases.made import At, Deltas, Pages, Published, Same, Snapshot, Source, Staged, Terms
from portage_ext.releases.note import NOTE_NAME, Hold, Note
from portage_ext.releases.tree import Tree, checked_channel
from portage_ext.trust import next_release as publish
from portage_ext.trust import release as release_text
from portage_ext.trust.release import RELEASE_NAME, SIGNATURE_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from portage_ext.releases.in_place import Detach
    from portage_ext.releases.pool.looked import Looked
    from portage_ext.releases.pool.released import Released
    from portage_ext.releases.restamp import Compressing, Forms

_FLUSH_FROM: Final = 1 << 20
"""Bytes of a file that the disk begins to write while others are written and hashed."""
_HTTP_TOLERANCE: Final = 5
"""Portage asks a web server for what was modified more than 5 s after the TIMESTAMP that it has (util/_urlopen.py): files
dated so are asked for again exactly when their TIMESTAMP is another, even where two releases are a second apart."""


_NOTHING: Final = Difference((), (), ())


@contextlib.contextmanager
def _threads() -> Iterator[Executor]:
    """A thread for each CPU. What they have not begun when the block ends is dropped, as it is after an error."""
    threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def _begin_flush(path: Path) -> None:
    """Let the disk begin to write the file at ``path``; that waits where the disk has much to do already."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        files.begin_flush(file.fileno())


class Publisher:
    """Makes releases in ``tree``. ``keys`` are the public keys that it publishes, by path below the release; ``signing`` the
    primary keys that ``detach`` signs with, which the root of the tree is asked about, if it has one."""

    def __init__(
        self,
        tree: Tree,
        detach: Detach,
        terms: Terms,
        *,
        keys: Mapping[str, bytes] | None = None,
        signing: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.time,
        insist: bool = False,
        pages: Pages | None = None,
        deltas: Deltas | None = None,
        looked: Looked | None = None,
        released: Released | None = None,
    ) -> None:
        """``insist``: a person named the gates, so they also check the live release if nothing differs from it. ``looked``:
        the blocks that were looked into before. ``released``: the Releases that this host has signed.
        """
        self.tree = tree
        self._detach = detach
        self._terms = terms
        self._keys = keys or {}
        self._signing = signing
        self._clock = clock
        self._insist = insist
        self._pages = pages
        self._deltas = deltas
        self._looked = looked
        self._released = released

    def publish(
        self, channel: str, source: Source, gates: Sequence[Gate] = (), *, unattended: bool = False, may_lose: bool = False
    ) -> Published:
        """Publish a PKGDIR in ``channel``, if something changes for clients or half of the live Release's validity is over.

        An ``unattended`` run only renews a held channel. ``may_lose``: publish even if few packages or none would remain.
        Raises EmptiedReleaseError without it, GateError, PublishError, ChangingPkgdirError, TreeError, and what ``source``
        and the signer raise.
        """
        with self._guarded(channel):
            held = self.tree.held(channel) if unattended else None
            if held is not None:
                with source.hold():
                    pass
                return replace(self._make(channel, self._renewed(self.tree.live(channel)), ()), held=held)
            return self._make(channel, source, gates, may_lose=may_lose)

    def promote(
        self, origin: str, channel: str, gates: Sequence[Gate] = (), *, number: int | None = None, unattended: bool = False
    ) -> Published:
        """Publish what ``origin`` points at in ``channel``, or its release ``number``, which may not be newer than that.

        An ``unattended`` run only renews a held channel. Raises UnknownChannelError, UnknownNumberError, else as
        :meth:`publish`.
        """
        from portage_ext.releases import choosing

        with self._guarded(channel):
            number = choosing.of(self.tree, origin, number)
            held = self.tree.held(channel) if unattended else None
            if held is not None:
                return replace(self._make(channel, self._renewed(self.tree.live(channel)), ()), held=held)
            return self._make(
                channel, self._of(number, f"promoted from {origin} {number}", self.tree.channels().get(channel)), gates
            )

    def rollback(self, channel: str, number: int | None = None, gates: Sequence[Gate] = (), *, by: str = "?") -> Published:
        """Publish an earlier content of ``channel`` again, by default the previous content, and hold the channel there.

        ``by`` is the name of the user. Raises UnknownNumberError if there is no such release, else as :meth:`publish`.
        """
        from portage_ext.releases import choosing

        with self._guarded(channel):
            target = choosing.earlier(self.tree, channel, number)
            holds, kept = Hold(target, int(self._clock()), by), replace(self.tree.note(target), waiting=None)
            source = replace(self._of(target, f"rolled back to {target}"), holds=holds, kept=kept)
            return self._make(channel, source, gates)

    def renew(self, channel: str, *, force: str = "") -> Published:
        """Publish the content of ``channel`` again when more than half of its validity is over, or ``force`` says why."""
        with self._guarded(channel):
            done = self._make(channel, self._renewed(self.tree.live(channel)), (), force=force)
            return replace(done, held=self.tree.held(channel))

    # --- what it starts from

    def _of(self, number: int, origin: str, live: int | None = None) -> Source:
        directory, release = self.tree.directory(number), self._checked(number)
        origin = f"{origin} ({number})" if str(number) not in origin else origin
        described, documents = beside.documents(directory)
        content = self.tree.note(number).content

        def attached(new: Contents, at: At) -> Mapping[str, bytes]:
            if not documents or indices.halves((directory / PLAIN_FORM).read_bytes(), str(directory))[1] == new.body:
                return documents
            return beside.again(documents, at, new, None if live is None else self.tree.directory(live))

        return Source(directory, origin, content, builder=described, attached=attached, release=release, documents=documents)

    def _checked(self, number: int) -> Release:
        """The Release of release ``number``, which others follow or are made from. Raises TreeError, ChangedReleaseError."""
        release = self.tree.release(number)
        if release.version != number:
            raise TreeError(
                str(self.tree.root), f"release {number} has the version {release.version}, so it is not of this tree"
            )
        if self._released is not None:
            self._released.check(self.tree.root, release)
        return release

    def _renewed(self, number: int) -> Source:
        """The content of release ``number`` again, including its hold."""
        note = self.tree.note(number)
        return replace(self._of(number, f"renewed {number}"), holds=note.hold, kept=note)

    # --- the steps

    @contextlib.contextmanager
    def _guarded(self, channel: str) -> Iterator[None]:
        checked_channel(channel)
        with self.tree.locked():
            try:
                yield
            except OSError as error:
                # Free the space at once if possible; otherwise the next run does it.
                with contextlib.suppress(OSError, TreeError):
                    self.tree.discard_staging()
                where = error.filename if isinstance(error.filename, str) else str(self.tree.root)
                stands = self.tree.channels().get(channel)
                raise PublishError(channel, where, error.strerror or str(error), stands) from error

    def _make(
        self, channel: str, source: Source, gates: Sequence[Gate], *, force: str = "", may_lose: bool = True
    ) -> Published:
        with _threads() as threads, ThreadPoolExecutor(1) as flushing:
            return self._made(channel, source, gates, threads, flushing, force=force, may_lose=may_lose)

    def _made(
        self,
        channel: str,
        source: Source,
        gates: Sequence[Gate],
        threads: Executor,
        flushing: Executor,
        *,
        force: str,
        may_lose: bool,
    ) -> Published:
        number, root = self.tree.recover(), roots.beside(self.tree.root)
        live, known = self.tree.channels().get(channel), self.tree.known()
        for one in {max(known), live or max(known)} if known else ():
            self._checked(one)
        if root is not None:
            number = max(number, root.least_release)
            repository = next((one.repository for one in known.values()), root.repository)
            roots.check_release(root, str(self.tree.root), repository, number, self._signing, int(self._clock()))
            # A release that clients would refuse is made again, even with the same content.
            if live is not None and not roots.accepts(root, self.tree.root, self.tree.directory(live), live):
                force = beside.ANNOUNCED if force in ("", beside.FROM_EARLIER) else force
        from portage_ext.releases import taking  # here and below: after-emerge may have nothing to publish
        from portage_ext.releases.pool import kept
        from portage_ext.releases.restamp import Compressing

        wants = taking.Wants(self._terms, self._pages is not None, force, may_lose)
        compressing = Compressing(threads)
        staged = taking.take(self.tree, channel, live, source, wants, int(self._clock()), compressing.begin)
        if isinstance(staged, Same):
            assert live is not None
            warnings = self._judge_live(channel, live, gates) if self._insist else ()
            return Published(live, None, _NOTHING, 0, 0, Placed(), warnings=warnings, waiting=staged.waiting)
        repository = root.repository if root else next((one.repository for one in known.values()), uuid.uuid4().hex)
        staged, forms = self._stamped(channel, number, staged, source, repository, compressing)
        same = staged.contents.header.get(DELTAS, "") == staged.before.header.get(DELTAS, "")
        if live is not None and staged.beside == (beside.FROM_EARLIER,) and same:
            self.tree.discard_staging()
            return Published(live, None, _NOTHING, 0, 0, Placed(), waiting=staged.waiting)
        waits = staged.waiting is not None and source.kept is None
        origin = f"{source.origin}, the toolchain first" if waits else source.origin
        note = Note(source.content or number, origin, staged.carried, source.holds, staged.arrived, staged.waiting)
        candidate = Candidate(self.tree.staging, channel, staged.contents, forms, staged.fresh, staged.unseen)
        # The forms are hashed while they are written and judged.
        listed = publish.index_files_begun({name: forms.parts(name) for name in forms}, threads)
        self._write(staged, forms, note, flushing)
        # People know a package by its path in PKGDIR.
        findings = [replace(one, where=staged.sources.get(one.where, one.where)) for one in run_gates(gates, candidate)]
        warnings = passed(findings, channel, self.tree.staging)
        release = self._sign(channel, number, listed(), repository)
        self.tree.link_root(self.tree.staging)
        if self._released is not None:
            self._released.add(self.tree.root, release)
        self.tree.commit(number)
        self.tree.switch(channel, number)
        if staged.digests:
            kept.keep(source.directory, zip(staged.digests, staged.contents.blocks, strict=True))
        if self._looked is not None:
            every = any(gate.name == GATES[0] for gate in gates)
            self._looked.add(one for one in staged.contents.blocks if every or one.known or one.digest in forms.compressed)
        changed = difference(staged.before, staged.contents)
        count = len(staged.contents.entries)
        carried, placed = len(staged.carried), staged.placed
        done = Published(number, release, changed, count, carried, placed, staged.beside, warnings=warnings)
        deltas = None if self._deltas is None else self._deltas.offered(self.tree.directory(number))
        return replace(done, waiting=staged.waiting, deltas=deltas)

    def _judge_live(self, channel: str, live: int, gates: Sequence[Gate]) -> tuple[Finding, ...]:
        """Check the whole live release, which may never have passed these gates; returns the warnings. Raises GateError."""
        contents, directory = self.tree.contents(live), self.tree.directory(live)
        forms = indices.read_forms(directory)
        findings = run_gates(gates, Candidate(directory, channel, contents, forms, tuple(contents.entries)))
        return passed(findings, channel, directory, live)

    def _stamped(
        self, channel: str, number: int, staged: Snapshot, source: Source, repository: str, compressing: Compressing
    ) -> tuple[Snapshot, Forms]:
        """With its pages and deltas, if it is to have some, and its TIMESTAMP: the index names all."""
        channels, now = self.tree.channels(), int(self._clock())
        stamp = next_timestamp(now, [parse_timestamp(staged.before.header.get("TIMESTAMP", ""))])
        header = {**staged.contents.header, "TIMESTAMP": str(stamp)}
        written = Staged(
            directory=self.tree.staging,
            channel=channel,
            number=number,
            repository=repository,
            origin=source.origin,
            created=now,
            expires=now + self._terms.validity,
            before=staged.before,
            contents=staged.contents,
            live=self.tree.directory(channels[channel]) if channel in channels else None,
            channels=channels,
            left_out=len(source.left_out()),
        )
        if self._pages is not None:
            header[pages.HEADER] = self._pages.write(written)
        if self._deltas is not None:
            header[DELTAS] = self._deltas.write(written)
        contents = replace(staged.contents, header=header)
        earlier = [self.tree.directory(channels[channel])] if channel in channels else []
        from portage_ext.releases.restamp import restamp

        earlier += [source.directory] if source.content is not None else []
        made = restamp(contents, stamp, earlier, compressing)
        if self._looked is not None:
            made.contents = replace(made.contents, blocks=self._looked.known(made.contents.blocks))
        return replace(staged, contents=made.contents), made

    def _write(self, staged: Snapshot, forms: Forms, note: Note, flushing: Executor) -> None:
        stamp = int(staged.contents.header["TIMESTAMP"])
        for name in forms:
            self._put(name, *forms.parts(name))
            modified = stamp + _HTTP_TOLERANCE
            os.utime(self.tree.staging / name, (modified, modified))
            if forms.size(name) >= _FLUSH_FROM:
                flushing.submit(_begin_flush, self.tree.staging / name)
        for name, data in self._keys.items():
            self._put(name, data)
        if staged.builder:
            self._put(builder.NAME, staged.builder)
        for name, data in staged.attached.items():
            self._put(name, data)
        self._put(NOTE_NAME, note.emit())
        for name, data in blocks.files_of(staged.contents.blocks, forms.size(PLAIN_FORM), stamp + _HTTP_TOLERANCE).items():
            self._put(name, data)

    def _sign(self, channel: str, number: int, listed: Sequence[IndexFile], repository: str) -> Release:
        known = self.tree.known()
        release = publish.next_release(
            self._checked(max(known)) if known else None,
            listed,
            now=int(self._clock()),
            validity=self._terms.validity,
            channel=channel,
            keys_next=self._terms.keys_next,
            at_least=number,
            repository=repository,
        )
        data = release_text.emit(release)
        release_text.parse(data)
        self._put(SIGNATURE_NAME, self._detach(data))
        self._put(RELEASE_NAME, data)
        return release

    def _put(self, name: str, *parts: Bytes) -> None:
        """Write a file of the staged release. Nobody reads it yet; it is flushed with the rest."""
        path = self.tree.staging / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        with open(path, "wb") as file:
            for part in parts:
                file.write(part)
            os.fchmod(file.fileno(), 0o644)
