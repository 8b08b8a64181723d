"""Update the index to match PKGDIR, under Portage's lock; only what changed is read, compressed and stored again.

The forms of the index are written first, the state last. A run that is killed in between leaves a state that does not match
the forms, and the next run writes both again.
"""

from __future__ import annotations

import gc
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from itertools import chain
from operator import is_, itemgetter
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.beside import beside
from portage_ext.errors import PackageError
from portage_ext.gpkg.source import FileStamp
from portage_ext.index.blocks import Row, arrange
from portage_ext.index.format import IndexFormat
from portage_ext.index.forms import (
    FORMS,
    GZIP,
    PLAIN,
    Earlier,
    header_there,
    listed_there,
    permissions,
    remove_leftovers,
    stamps,
    write_forms,
)
from portage_ext.index.stamp import next_timestamp, parse_timestamp
from portage_ext.pkgdir.cache import NAME, Aside, DamagedStateError, Saving, State, discard, load
from portage_ext.pkgdir.changes import (
    Fresh,
    Known,
    Survey,
    Vouched,
    building_blocks,
    changed_silently,
    guard,
    in_walk_order,
    refused,
    signed_by,
    stored_entries,
    survey,
)
from portage_ext.pkgdir.entry import Evaluate, LeftOut, ReadPlan
from portage_ext.pkgdir.signatures import SignaturePolicy
from portage_ext.pkgdir.walk import Walker, above
from portage_ext.pkgdir.workers import Progress, read_all
from portage_ext.records import field, record

Lock = Callable[[Path], AbstractContextManager[None]]
KEPT_HEADER: Final = ("REPO_REVISIONS",)
"""Header values that emerge writes when it injects a package and that cannot be recomputed from the packages."""
_ROUNDS: Final = 3
_PATH_OF: Final = itemgetter(Row._fields.index("path"))


@record
class Repository:
    """A PKGDIR and how its index is made: values from Portage's settings, and the three ways to the world."""

    pkgdir: Path
    format: IndexFormat
    header: Mapping[str, str]
    compress: bool
    policy: SignaturePolicy
    version: str
    lock: Lock
    evaluate: Evaluate
    clock: Callable[[], float] = time.time

    @property
    def context(self) -> str:
        """Everything that entries depend on except the files. If it differs, the known state is not used."""
        inherited = {key: self.header.get(key, "") for key in self.format.inherited}
        return repr(
            (self.version, self.format.columns, self.format.evaluated_keys, inherited, self.policy.verify, self.policy.required)
        )


@record
class Report:
    """What a run found and did. Paths are relative to PKGDIR."""

    packages: int
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    left_out: tuple[PackageError, ...]
    silent: tuple[str, ...]
    """Files whose content has changed although size, mtime and inode are the same (``--verify``)."""
    opened: int
    """Packages that were read."""
    written: bool
    timestamp: int


@record(frozen=False)
class _Work:
    """One scan of PKGDIR under the lock: the known state, the files, and what to do."""

    state: State
    survey: Survey
    unreadable: list[PackageError] = field(default_factory=list)


@record
class _Order:
    """The arguments of :meth:`Reindexer.run`."""

    force: bool
    verify: bool
    withheld: Collection[str]
    vouched: Vouched | None
    keep: ExitStack | None = None


class Reindexer:
    """Maintains one index. A long-lived object keeps the state between runs, as long as no other process writes the file."""

    def __init__(
        self,
        repository: Repository,
        jobs: int = 1,
        progress: Progress = lambda done, total: None,
        *,
        once: bool = False,
        walker: Walker | None = None,
        former: Sequence[int] = (),
    ) -> None:
        """``jobs`` processes read; ``once``: the object will not live on; ``walker`` may have looked ahead; ``former``: open
        files that may have been forms of this index before somebody replaced them.
        """
        self.repository = repository
        self._jobs = jobs
        self._progress = progress
        self._former = former
        self._walker = walker or Walker(repository.pkgdir, once=once)
        self._state: State | None = None
        self._state_stamp: FileStamp | None = None
        self._rows = Known()
        self._rows_of: State | None = None

    def run(
        self,
        *,
        force: bool = False,
        verify: bool = False,
        only: Collection[str] | None = None,
        withheld: Collection[str] = (),
        vouched: Vouched | None = None,
        keep: ExitStack | None = None,
    ) -> Report:
        """Bring the index up to date and say what changed; ``verify`` reads every package again.

        A long-lived caller that knows which packages it changed names them in ``only`` (paths relative to PKGDIR): then only
        their directories are scanned, if all others were scanned before. Packages in ``withheld`` count as missing; the next
        run treats them as new. A signing caller passes in ``vouched`` what is signed, for later calls of :meth:`unsigned`.
        ``keep`` takes over the lock of a run that succeeds: until it is closed, nobody else changes the index.

        Raises MassRemovalError without ``force``, PkgdirError, IndexWriteError, VerificationUnavailableError.
        """
        with _no_collection():
            folders = None if only is None or verify else {"/".join(parts) for path in only for parts in above(path)}
            return self._run(_Order(force, verify, withheld, vouched, keep), folders)

    def _run(self, order: _Order, only: Collection[str] | None) -> Report:
        pkgdir = self.repository.pkgdir
        ready = Fresh()
        for last in (False,) * (_ROUNDS - 1) + (True,):
            with ExitStack() as held:
                held.enter_context(self.repository.lock(pkgdir))
                remove_leftovers(pkgdir)
                work = self._look(order.verify, only, order.withheld)
                waiting = ready.pending(work.survey)
                if last or len(waiting) < limits.PREFETCH_FROM:
                    self._read(waiting, ready, work.survey, order.verify)
                    report = self._update(work, ready, order)
                    if order.keep is not None:
                        order.keep.push(held.pop_all())
                    return report
            # Many packages are read without the lock, so that emerge does not wait.
            self._read(waiting, ready, work.survey, order.verify)
        raise AssertionError("the last round returns")

    def unsigned(self, signer: str) -> list[str]:
        """The packages, by path relative to PKGDIR, that are not known to have a signature of the key ``signer``.

        They are new or changed since the last run, or were indexed by a run that did not sign. The caller holds the lock.
        Raises PkgdirError.
        """
        with _no_collection():
            work = self._look(verify=False)
            same_key = work.state.signer == signer
            todo = set(work.survey.todo)
            doubted = work.state.doubted if same_key else work.survey.known
            return [file[0] for file in work.survey.files if file[0] in todo or file[0] in doubted]

    def sizes(self) -> list[int]:
        """The bytes of each block of the index that the last run left in PKGDIR."""
        return [] if self._state is None else [block.text_size for block in self._state.blocks]

    def preview(self, *, verify: bool = False) -> tuple[Report, list[tuple[Row, bytes]]]:
        """What :meth:`run` would do, and the rows and entries that it would write; nothing is written, no lock is taken."""
        work = self._look(verify, whole=True)
        ready = Fresh()
        self._read(work.survey.todo, ready, work.survey, verify)
        listed, _ = arrange(in_walk_order(work.survey, ready))
        known = {row.path: entry for block in work.state.blocks for row, entry in stored_entries(block)}
        left = self._left_out(work, ready)
        report = self._report(work, listed, left, ready, work.state.timestamp, verify=verify, written=False)
        return report, [(row, ready[row.path] if row.path in ready else known[row.path]) for row in listed]

    # --- looking

    def _look(
        self,
        verify: bool,
        only: Collection[str] | None = None,
        withheld: Collection[str] = (),
        *,
        whole: bool = False,
    ) -> _Work:
        with beside(partial(self._walker.scan, only), self._walker.beside) as scan:
            state, found = self._known(whole=whole), scan()
        files = [file for file in found.files if file[0] not in withheld] if withheld else found.files
        return _Work(state, survey(files, self._rows, state.aside, everything=verify), list(found.unreadable))

    def _known(self, *, whole: bool = False) -> State:
        pkgdir = self.repository.pkgdir
        stamp = _stamp(pkgdir / NAME)
        if self._state is None or stamp is None or stamp != self._state_stamp:
            try:
                self._state = load(pkgdir, whole=whole)
            except DamagedStateError:
                self._state = State()
            self._state_stamp = stamp
        if self._state.context != self.repository.context:
            # What was written still counts for TIMESTAMP and for the guard; no entry of it is used.
            self._state = State(timestamp=self._state.timestamp)
        if self._rows_of is not self._state:
            self._rows = Known(list(chain.from_iterable(block.rows for block in self._state.blocks)))
            self._rows_of = self._state
        return self._state

    # --- reading

    def _read(self, paths: Sequence[str], ready: Fresh, survey: Survey, verify: bool) -> None:
        if not paths:
            return
        repository = self.repository
        wanted = set(paths)
        found = {file[0]: file for file in survey.files if file[0] in wanted}
        plan = ReadPlan(
            repository.pkgdir, repository.format, repository.header, repository.policy, repository.evaluate, image=verify
        )
        for batch in read_all(paths, plan, self._jobs, self._progress):
            ready.add(batch, found)

    # --- writing

    def _update(self, work: _Work, ready: Fresh, order: _Order) -> Report:
        repository = self.repository
        listed, _ = arrange(in_walk_order(work.survey, ready))
        left = self._left_out(work, ready)
        before, paths = self._listed_before(work.state), set(map(_PATH_OF, listed))
        if not order.force:
            guard(str(repository.pkgdir / PLAIN), before, paths, left)
        old = work.state
        there = stamps(repository.pkgdir)
        previous = {} if there and there == old.forms else header_there(repository.pkgdir)
        header = dict(repository.header)
        for key in KEPT_HEADER:
            value = previous.get(key) if previous else old.header.get(key)
            if value:
                header[key] = value
        header["PACKAGES"] = str(len(listed))
        timestamp = old.timestamp
        with closing(Saving(repository.pkgdir, old.blocks)) as saving:
            try:
                with building_blocks(listed, old.blocks, ready, self._jobs) as blocks:
                    for block in blocks[:1]:
                        block.text()
                    same_blocks = len(blocks) == len(old.blocks) and all(map(is_, blocks, old.blocks))
                    current = there == old.forms and set(there) == self._names() and same_blocks and header == old.header
                    if not current:
                        past = (old.timestamp, parse_timestamp(previous.get("TIMESTAMP", "")))
                        timestamp = next_timestamp(repository.clock(), past)
                        write_forms(
                            repository.pkgdir,
                            {**header, "TIMESTAMP": str(timestamp)},
                            blocks,
                            compress=repository.compress,
                            earlier=None if order.verify else Earlier.of(old.forms, old.blocks, there, self._former),
                            # A report of silent changes reads forms from the former state.
                            meanwhile=None if order.verify else partial(saving.begin, blocks),
                        )
            except DamagedStateError:
                saving.close()
                discard(repository.pkgdir)
                self._state = None
                return self._again(order)
            report = self._report(work, listed, left, ready, timestamp, verify=order.verify, written=not current)
            aside = {one.path: Aside(one.stamp, type(one.error).__name__, one.error.detail) for one in left if one.stamp}
            signer, doubted = signed_by(old, paths, ready, order.vouched)
            if not current or aside != old.aside or (signer, doubted) != (old.signer, old.doubted):
                now = stamps(repository.pkgdir)
                self._remember(State(repository.context, header, timestamp, now, blocks, aside, signer, doubted), saving)
        return report

    def _again(self, order: _Order) -> Report:
        work = self._look(order.verify, withheld=order.withheld)
        ready = Fresh()
        self._read(work.survey.todo, ready, work.survey, order.verify)
        return self._update(work, ready, order)

    def _names(self) -> set[str]:
        return {name for name in FORMS if self.repository.compress or name != GZIP}

    def _remember(self, state: State, saving: Saving) -> None:
        pkgdir = self.repository.pkgdir
        mode, group = permissions(pkgdir)
        try:
            saving.commit(state, mode=mode & 0o666, group=group)
        except (OSError, sqlite3.Error, DamagedStateError):
            saving.close()
            # The index is complete. At worst, the next run has no state and reads everything.
            discard(pkgdir)
        self._state = state
        self._state_stamp = _stamp(pkgdir / NAME)

    # --- telling

    def _left_out(self, work: _Work, ready: Fresh) -> list[LeftOut]:
        fresh = [one for _, one in ready.left_out.values()]
        again = [LeftOut(path, aside.stamp, refused(path, aside)) for path, aside in work.survey.aside.items()]
        return sorted([*fresh, *again, *(LeftOut(one.path, None, one) for one in work.unreadable)], key=lambda one: one.path)

    def _report(
        self,
        work: _Work,
        listed: Sequence[Row],
        left: Sequence[LeftOut],
        ready: Fresh,
        timestamp: int,
        *,
        verify: bool,
        written: bool,
    ) -> Report:
        before = work.survey.known
        now = set(map(_PATH_OF, listed))
        fresh = ready.rows
        silent = changed_silently(work.state.blocks, listed, ready) if verify else []
        return Report(
            len(listed),
            tuple(sorted(now - before.keys())),
            tuple(sorted(row.path for path, row in fresh.items() if path in before and path in now and before[path] != row)),
            tuple(sorted(before.keys() - now)),
            tuple(one.error for one in left),
            tuple(silent),
            len(fresh) + len(ready.left_out),
            written,
            timestamp,
        )

    def _listed_before(self, state: State) -> Collection[str]:
        return self._rows.rows.keys() if state.blocks else listed_there(self.repository.pkgdir)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the cyclic garbage collector, which would visit tens of thousands of new rows without finding a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _stamp(path: Path) -> FileStamp | None:
    try:
        return FileStamp.of(path.stat())
    except OSError:
        return None
