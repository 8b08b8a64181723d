"""A release is staged, checked, signed, flushed and named before its channel points at it.

Only the last of these steps changes the channel::

    recover     what a killed run left is removed; the next number is taken
    stage       packages get names below releases/.staging, from the live release where they are the same
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
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors.releases import (
    ChangingPkgdirError,
    Finding,
    PublishError,
    TreeError,
)
from portage_ext.index.stamp import next_timestamp, parse_timestamp
from portage_ext.model import builder
from portage_ext.model.release import DELTAS, DOCUMENTS, PLAIN_FORM, Release, binding
from portage_ext.policy.losses import check_release
from portage_ext.releases import beside, pages, roots
from portage_ext.releases import contents as indices
from portage_ext.releases.contents import Contents, Difference, difference
from portage_ext.releases.gates import Candidate, Gate, passed, run_gates
from portage_ext.releases.in_place import Detach
from portage_ext.releases.linking import Placed, place_all
from portage_ext.releases.made import Deltas, Pages, Published, Same, Snapshot, Source, Staged, Terms
from portage_ext.releases.note import NOTE_NAME, Hold, Note, carry
from portage_ext.releases.restamp import restamp
from portage_ext.releases.tree import Tree, checked_channel
from portage_ext.trust import next_release as publish
from portage_ext.trust import release as release_text
from portage_ext.trust.release import RELEASE_NAME, SIGNATURE_NAME
from portage_ext.words import counted


class _ChangedError(Exception):
    """A package has changed since the index was made."""


_HTTP_TOLERANCE: Final = 5
"""Portage asks a web server for what was modified more than 5 s after the TIMESTAMP that it has (util/_urlopen.py): files
dated so are asked for again exactly when their TIMESTAMP is another, even where two releases are a second apart."""
_NOTHING = Contents({}, {}, b"")


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
    ) -> None:
        """``insist``: a person named the gates, so they also check the live release if nothing differs from it."""
        self.tree = tree
        self._detach = detach
        self._terms = terms
        self._keys = keys or {}
        self._signing = signing
        self._clock = clock
        self._insist = insist
        self._pages = pages
        self._deltas = deltas

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
                    source.refresh()
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
        directory = self.tree.directory(number)
        origin = f"{origin} ({number})" if str(number) not in origin else origin
        described, documents = beside.documents(directory)
        content = self.tree.note(number).content

        def attached(new: Contents) -> Mapping[str, bytes]:
            if new.body == self.tree.contents(number).body:
                return documents
            return beside.again(documents, directory, new, None if live is None else self.tree.directory(live))

        return Source(directory, origin, content, builder=described, attached=attached)

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
                with contextlib.suppress(OSError):
                    shutil.rmtree(self.tree.staging)
                where = error.filename if isinstance(error.filename, str) else str(self.tree.root)
                stands = self.tree.channels().get(channel)
                raise PublishError(channel, where, error.strerror or str(error), stands) from error

    def _make(
        self, channel: str, source: Source, gates: Sequence[Gate], *, force: str = "", may_lose: bool = True
    ) -> Published:
        number, root = self.tree.recover(), roots.beside(self.tree.root)
        live, known = self.tree.channels().get(channel), self.tree.known()
        if root is not None:
            number = max(number, root.least_release)
            repository = next((one.repository for one in known.values()), root.repository)
            roots.check_release(root, str(self.tree.root), repository, number, self._signing, int(self._clock()))
            # A release that clients would refuse is made again, even with the same content.
            if live is not None and not roots.accepts(root, self.tree.root, self.tree.directory(live), live):
                force = force or beside.ANNOUNCED
        staged = self._stage(channel, live, source, force=force, may_lose=may_lose)
        if isinstance(staged, Same):
            assert live is not None
            warnings = self._judge_live(channel, live, gates) if self._insist else ()
            nothing = Difference((), (), ())
            return Published(live, None, nothing, 0, 0, Placed(), warnings=warnings, waiting=staged.waiting)
        repository = root.repository if root else next((one.repository for one in known.values()), uuid.uuid4().hex)
        staged = self._stamped(channel, number, staged, source, repository)
        waits = staged.waiting is not None and source.kept is None
        origin = f"{source.origin}, the toolchain first" if waits else source.origin
        self._write(
            staged, Note(source.content or number, origin, staged.carried, source.holds, staged.arrived, staged.waiting)
        )
        candidate = Candidate(self.tree.staging, channel, staged.contents, staged.forms, staged.fresh)
        warnings = passed(run_gates(gates, candidate), channel, self.tree.staging)
        release = self._sign(channel, number, staged.forms, repository)
        self.tree.link_root(self.tree.staging)
        self.tree.commit(number)
        self.tree.switch(channel, number)
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

    def _stage(self, channel: str, live: int | None, source: Source, *, force: str, may_lose: bool) -> Snapshot | Same:
        for attempt in range(1, limits.SNAPSHOT_ATTEMPTS + 1):
            with source.hold():
                source.refresh()
                try:
                    return self._snapshot(channel, live, source, force=force, may_lose=may_lose)
                except _ChangedError as error:
                    shutil.rmtree(self.tree.staging)
                    if attempt == limits.SNAPSHOT_ATTEMPTS:
                        raise ChangingPkgdirError(str(error)) from error
        raise AssertionError("the last attempt returns")

    def _snapshot(self, channel: str, live: int | None, source: Source, *, force: str, may_lose: bool) -> Snapshot | Same:
        forms = indices.read_forms(source.directory)
        new = whole = indices.parse(forms[PLAIN_FORM], str(source.directory / PLAIN_FORM))
        before = _NOTHING if live is None else self.tree.contents(live)
        now, note = int(self._clock()), Note(0, "") if live is None else self.tree.note(live)
        if source.kept is not None:
            arrived, waiting = source.kept.arrived, source.kept.waiting
        else:
            part = beside.first_part(before, whole, note, self._terms.first, now) if live is not None else None
            arrived, waiting = (part.arrived, part.waiting) if part else ({}, None)
            if part and waiting:
                new, forms = part.contents, {PLAIN_FORM: part.plain}
        described = builder.binding(source.builder) if source.builder else ""
        documents = source.attached(new)
        bound = {key: binding(name, documents[name]) if name in documents else "" for name, key in DOCUMENTS.items()}
        new = replace(new, header={**new.header, builder.HEADER: described, **bound, pages.HEADER: "", DELTAS: ""})
        lost: frozenset[str] = frozenset()
        if live is not None:
            # Files that were deleted from the live release come from the source again.
            lost = frozenset(
                one
                for one in self._lost(live, before.entries)
                if os.path.lexists(source.directory / one) and whole.entries.get(one) == new.entries.get(one)
            )
        also: list[str] = []
        if live is not None:
            also = self._beside(live, before, new, source, now)
            also += [force] if force else []
            also += [f"{counted(len(lost))} missing from release {live}"] if lost else []
            if new.same_as(before) and not also:
                also += beside.waiting(note.waiting, waiting)
                if not also:
                    return Same(waiting)
        if not may_lose:
            check_release(channel, None if live is None else before.entries, new.entries, source.left_out())
        carried: dict[str, int] = {}
        if live is not None:
            carried = carry(before.entries, note.carried, new.entries, now, self._terms.grace)
            for path in self._lost(live, carried):
                del carried[path]
        fresh = tuple(path for path, text in new.entries.items() if before.entries.get(path) != text or path in lost)
        place = self._places(new, frozenset(fresh), None if live is None else self.tree.directory(live), source, carried)
        self.tree.staging.mkdir(mode=0o755)
        try:
            placed = place_all(place, str(self.tree.staging))
        except FileNotFoundError as error:
            raise _ChangedError(str(error.filename)) from error
        if source.content is None:
            self._same_files(new, fresh)
        return Snapshot(new, forms, source.builder, before, fresh, carried, placed, tuple(also), documents, arrived, waiting)

    def _stamped(self, channel: str, number: int, staged: Snapshot, source: Source, repository: str) -> Snapshot:
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
        return replace(staged, contents=contents, forms=restamp(contents, staged.forms, stamp))

    def _beside(self, live: int, before: Contents, new: Contents, source: Source, now: int) -> list[str]:
        """The reasons for a release of ``source`` other than packages, in words."""
        found = beside.in_the_index(before, new, self.tree.directory(live), source.builder)
        if (self._pages is None) != (not before.header.get(pages.HEADER)):
            found.append(beside.PAGES if self._pages else beside.NO_PAGES)
        if (self.tree.note(live).hold is None) != (source.holds is None):
            found.append(f"the channel is {source.holds}" if source.holds else beside.RELEASED)
        if publish.needs_renewal(self.tree.release(live), now):
            found.append(beside.LATER_EXPIRY)
        return found

    def _places(
        self, new: Contents, fresh: frozenset[str], live: Path | None, source: Source, carried: Mapping[str, int]
    ) -> Iterator[tuple[str, str, str]]:
        old, made = str(live), str(source.directory)
        for path in new.entries:
            yield (made if path in fresh else old), path, path
        for path in carried:
            yield old, path, path

    def _lost(self, live: int, paths: Iterable[str]) -> list[str]:
        """Those of ``paths`` that the live release should have but lacks."""
        directory = str(self.tree.directory(live))
        return [path for path in paths if not os.path.lexists(f"{directory}/{path}")]

    def _same_files(self, new: Contents, fresh: Sequence[str]) -> None:
        """Raises _ChangedError if a file was replaced without the lock after the index was made."""
        for path in fresh:
            status = os.stat(self.tree.staging / path, follow_symlinks=False)
            entry = new.entry(path)
            if entry.get("SIZE") != str(status.st_size) or entry.get("MTIME") != str(status.st_mtime_ns // 10**9):
                raise _ChangedError(path)

    def _write(self, staged: Snapshot, note: Note) -> None:
        stamp = int(staged.contents.header["TIMESTAMP"])
        for name, data in staged.forms.items():
            self._put(name, data)
            modified = stamp + _HTTP_TOLERANCE
            os.utime(self.tree.staging / name, (modified, modified))
        for name, data in self._keys.items():
            self._put(name, data)
        if staged.builder:
            self._put(builder.NAME, staged.builder)
        for name, data in staged.attached.items():
            self._put(name, data)
        self._put(NOTE_NAME, note.emit())

    def _sign(self, channel: str, number: int, forms: Mapping[str, bytes], repository: str) -> Release:
        known = self.tree.known()
        release = publish.next_release(
            known[max(known)] if known else None,
            publish.index_files(forms),
            now=int(self._clock()),
            validity=self._terms.validity,
            channel=channel,
            keys_next=self._terms.keys_next,
            at_least=number,
            repository=repository,
        )
        if release.version != number:
            raise TreeError(
                str(self.tree.root), f"release {max(known)} has the version {release.version - 1}, so it is not of this tree"
            )
        data = release_text.emit(release)
        release_text.parse(data)
        self._put(SIGNATURE_NAME, self._detach(data))
        self._put(RELEASE_NAME, data)
        return release

    def _put(self, name: str, data: bytes) -> None:
        """Write a file of the staged release. Nobody reads it yet; it is flushed with the rest."""
        path = self.tree.staging / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o644)
