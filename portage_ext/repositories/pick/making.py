"""A picked repository is made in three steps: fetch the overlay into a store, plan the content, replace the repository.

A plan is made only if Portage's own sync module has fetched, and verified, the store successfully. A plan changes nothing, so
commands can show it before they ask for confirmation.

    EROOT/var/cache/portage-ext/pick/NAME        the store: a partial, sparse git clone, or a copy made by rsync
    EROOT/var/lib/portage-ext/pick/NAME.json     the source of the store, and when it was fetched
    EROOT/var/lib/portage-ext/pick/NAME.lock     the lock that allows only one run at a time
    EROOT/var/lib/portage-ext/pick/NAME.busy     exists during a run; if a run was killed, the store is fetched again
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext import files, locks
from portage_ext.errors.repositories import RepositoryError
from portage_ext.limits import repositories as limits
from portage_ext.repositories import history, layout, record, swap, tree
from portage_ext.repositories.pick import assembly, checkout, wanted
from portage_ext.repositories.pick.assembly import Plan
from portage_ext.repositories.pick.checkout import Checkout
from portage_ext.repositories.pick.eclasses import Eclasses
from portage_ext.repositories.pick.overlay import Overlay
from portage_ext.repositories.pick.packages import Packages
from portage_ext.repositories.pick.profiles import Profiles
from portage_ext.repositories.pick.reading import Readers
from portage_ext.repositories.tree import Tree
from portage_ext.repositories.user import User

KINDS: Final = ("git", "rsync")
_PLACE: Final = "pick"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The source of the store (``uri``, fetched by the sync module ``kind``), its commit, if any, and when it was fetched."""

    uri: str
    kind: str
    revision: str = ""
    time: int = 0


class Picking:
    """The picked repository of ``tree``. ``user`` and ``environment`` are those of its sync."""

    def __init__(self, here: Tree, user: User, environment: Mapping[str, str]) -> None:
        self.tree = here
        self.user = user
        self.environment = environment
        self.store = here.under_root(tree.CACHE, _PLACE, here.name)
        self._state = here.under_root(tree.STATE, _PLACE, f"{here.name}.json")
        uri = here.repo.sync_uri or ""
        self.source = Fetched(uri, here.option("sync-pick-type") or ("rsync" if uri.startswith("rsync://") else "git"))

    @property
    def list_path(self) -> Path:
        """The path of the list of packages: a file or a directory."""
        given = self.tree.option(wanted.OPTION)
        return Path(given) if given else self.tree.config_root / wanted.PACKAGES

    def listed(self) -> frozenset[str]:
        """The packages on the list that are from this overlay. Raises SettingsError."""
        return frozenset(one.cp for one in wanted.read(self.list_path) if one.overlay == self.tree.name)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock, so that only one run works at a time. Raises LockError, OSError."""
        files.make_directory(self._state.parent)
        with locks.held(self._state.with_suffix(".lock"), limits.PICK_LOCK):
            busy = self._state.with_suffix(".busy")
            if busy.exists() and self.store.is_dir():
                # An earlier run was killed. The state of the git clone is unknown, so it is fetched again.
                shutil.rmtree(self.store)
            files.replace_file(busy, b"")
            try:
                yield
            finally:
                busy.unlink(missing_ok=True)

    def fetched(self) -> Fetched | None:
        """The source of the store; None if there is no store or its source is unknown."""
        try:
            values = json.loads(self._state.read_text())
            found = Fetched(str(values["uri"]), str(values["kind"]), str(values["revision"]), int(values["time"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if self.store.is_dir() else None

    def fetch(self, options: Mapping[str, Any]) -> int:
        """Update and verify the store with Portage's own sync module. Returns its exit status. Raises OSError."""
        known = self.fetched()
        if self.store.exists() and (known is None or (known.uri, known.kind) != (self.source.uri, self.source.kind)):
            shutil.rmtree(self.store)
        more = checkout.CLONE_OPTIONS if self.source.kind == "git" else ()
        status = self.tree.fetch(self.source.kind, self.store, self.user, options, more)
        if status == 0:
            now = Fetched(self.source.uri, self.source.kind, self._revision(), int(time.time()))
            values = {"uri": now.uri, "kind": now.kind, "revision": now.revision, "time": now.time}
            files.replace_file(self._state, json.dumps(values).encode(), mode=0o644)
        return status

    def plan(self, listed: Iterable[str]) -> Plan:
        """Plan the content of the repository for the packages ``listed``.

        Raises RepositoryError, ConfinementError, OSError.
        """
        location = self.tree.location
        if location.is_dir() and any(location.iterdir()) and not record.is_made(location):
            raise RepositoryError(
                str(location),
                f"it has files that no sync of type pick has made, which picking for [{self.tree.name}] would remove",
                f"Move them away, such as with `mv {location} {location}.before`, and sync again",
            )
        before = swap.read(location) or {}
        names = frozenset(listed)
        taken = {"/".join(path.split("/")[:2]) for path in before}
        overlay = Overlay(self.store, self._checkout(), names | taken)
        said = layout.parse(overlay.text(layout.LAYOUT))
        masters, missing = self.tree.masters(self.tree.configured_masters() or said.get("masters", "").split())
        allowed = self.tree.option("sync-pick-shadowing-eclasses").split()
        with tempfile.TemporaryDirectory(prefix="portage-ext.pick.") as name:
            Path(name).chmod(0o711)
            numbers = itertools.count()
            view = _view(Path(name, "view"), self.tree.name, overlay)

            def start() -> subprocess.Popen[bytes]:
                scratch = Path(name, str(next(numbers)))
                scratch.mkdir(mode=0o700)
                if self.user.is_other:
                    os.chown(scratch, self.user.uid, self.user.gid)
                return self.tree.reader(view, [one for one, _ in masters], scratch, self.user)

            eclasses = Eclasses(overlay.eclasses(), masters, allowed)
            profiles = Profiles(overlay, [one.location for one in self.tree.others], self.tree.has)
            source = assembly.Source(self.tree.name, self.source.uri, tuple(one for one, _ in masters), tuple(missing), said)
            with Readers(start, seconds=self._seconds()) as readers:
                packages = Packages(overlay, eclasses, readers, before)
                return assembly.plan(names, source, packages, profiles, eclasses, self.tree.has, before)

    def take(self, plan: Plan) -> bool:
        """Apply ``plan`` to the repository. Returns False if nothing changes. Raises RepositoryError, OSError."""
        files.make_directory(self.tree.location.parent)
        changed = swap.replace(self.tree.location, plan.contents, self.user)
        if (fetched := self.fetched()) is not None:
            history.succeeded(self.tree.under_root(), self.tree.name, fetched.time)
        return changed

    def _seconds(self) -> float:
        given = self.tree.option("sync-pick-seconds")
        return float(given) if given.isdecimal() and int(given) > 0 else limits.READER_SECONDS

    def _checkout(self) -> Checkout | None:
        return Checkout(self.store, self.user, self.environment) if self.source.kind == "git" else None

    def _revision(self) -> str:
        found = self._checkout()
        return found.revision() if found is not None else ""


def _view(view: Path, name: str, overlay: Overlay) -> Path:
    """Make the overlay's view for the processes that read ebuilds: its packages and eclasses under the name of its section in
    repos.conf, and without its layout.conf.

    Otherwise an overlay could use the name or an alias of another repository, and would be read as that one.
    """
    categories = {cp.partition("/")[0] for cp in overlay.packages}
    for path, file in layout.skeleton(name, (), categories).items():
        files.make_directory((view / path).parent)
        (view / path).write_bytes(file.data)
    for one in (*categories, "eclass"):
        (view / one).symlink_to(overlay.root / one)
    return view
