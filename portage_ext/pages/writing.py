"""All pages are written before the release is signed; a page that has not changed is a hard link to that of the live release.

::

    releases/7/
      pages/
        B2SUMS                  every other file here with its BLAKE2B digest; `b2sum -c` reads it
        index.html  releases.html  setup.html  update.html  feed.atom  style.css  search.js  icon.svg
        categories/dev-libs.html
        packages/dev-libs/openssl.html
        releases/7.html         what changed, also of releases that retention has removed since
        search/…                what the search loads
      .pages.json               for the next writer (state)

The index header PAGES has the size and digests of B2SUMS, and the Release has the digest of the index. So every page can be
verified by anybody who trusts the Release. If an error happens here, only the pages are lost, not the release: PAGES is then
``none``, and one line says why.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from portage_ext import shown
from portage_ext.limits import views as limits
from portage_ext.model.root import Root
from portage_ext.pages import catalogue, changes, client, feed, lists, package, search, state, update
from portage_ext.pages.catalogue import Catalogue, Changes, Moved, Reader
from portage_ext.pages.history import Record, with_new
from portage_ext.pages.lists import Health
from portage_ext.pages.state import State
from portage_ext.releases.contents import Contents, Difference, difference
from portage_ext.releases.linking import Placed, place
from portage_ext.releases.made import Staged
from portage_ext.releases.pages import DIRECTORY, NONE, SUMS, binding
from portage_ext.unattended.updated import Updated

ASSETS: Final = Path(__file__).with_name("assets")
_SIGNATURE: Final = b"-----BEGIN PGP SIGNATURE-----"


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """Values for the pages beside the packages. ``url`` is the URL of the tree or empty; ``fingerprints`` are the keys that
    sign Releases.

    ``builds`` is the URL of a page with the builds that run now, or empty. ``updated`` is the last update of this host, None if
    there was none. ``times`` are the build times of packages in seconds
    by name; ``runs`` are the last unattended runs.
    """

    title: str
    url: str = ""
    fingerprints: Sequence[str] = ()
    root: Root | None = None
    times: Callable[[], Mapping[str, float]] = dict
    runs: Sequence[tuple[int, str, bool]] = ()
    signed: Callable[[Path], bool] | None = None
    warn: Callable[[str], None] = lambda text: None
    builds: str = ""
    updated: Updated | None = None


class Writer:
    """Writes the pages; implements releases/made.Pages."""

    def __init__(self, about: About) -> None:
        self._about = about

    def write(self, staged: Staged) -> str:
        """Write the pages of ``staged``. Returns the value of the header PAGES. Raises OSError."""
        try:
            return _Writing(self._about, staged).write()
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - pages must not stop a release
            shutil.rmtree(staged.directory / DIRECTORY, ignore_errors=True)
            (staged.directory / state.NAME).unlink(missing_ok=True)
            why = f"{type(error).__name__}: {shown.short(error)}"
            self._about.warn(f"release {staged.number} has no pages: {why}. The release itself is complete")
            return NONE


class _Writing:
    """One run. It collects the files written so far with their digests."""

    def __init__(self, about: About, staged: Staged) -> None:
        self._about = about
        self._title = shown.line(about.title)
        self._staged = staged
        self._top = str(staged.directory / DIRECTORY)
        self._old_top = None if staged.live is None else str(staged.live / DIRECTORY)
        self._old: dict[str, str] = {}
        self._sums: dict[str, str] = {}
        self._directories: set[str] = set()
        self._made_by = _made_by(self._title)

    def write(self) -> str:
        staged = self._staged
        os.mkdir(self._top, 0o755)
        known = state.read(staged.live)
        records = () if known is None else known.history
        moved = catalogue.moved(staged.before, staged.contents)
        of, what, reader = self._catalogue(known, moved)
        if what is None:
            self._old = {name: digest for name, digest in self._old.items() if name.startswith("releases/")}
        changed = None if staged.live is None else difference(_only(staged.before, moved[0]), _only(staged.contents, moved[1]))
        record = self._record(of, changed)
        records = with_new(records, record)
        names = sorted(of.paths)
        categories = catalogue.by_category(names)
        self._packages(of, what, reader, names)
        self._categories(categories, what)
        self._search(of, what, reader, names, categories)
        self._front(categories, records, record, changed)
        sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(self._sums.items())).encode()
        self._file(SUMS, sums)
        _write(str(staged.directory / state.NAME), State(self._made_by, of, records).emit())
        return binding(sums)

    # --- the catalogue

    def _catalogue(self, known: State | None, moved: Moved) -> tuple[Catalogue, Changes | None, Reader]:
        """The catalogue of the new index and the changes; the changes are None if everything must be written."""
        staged = self._staged
        self._old = self._old_sums()
        if known is not None and known.made_by == self._made_by and self._old:
            of = known.catalogue
            try:
                what, reader = catalogue.advance(of, staged.before, staged.contents, moved, self._signed)
            except (KeyError, ValueError):  # the state does not belong to this index
                pass
            else:
                return of, what, reader
        of = catalogue.whole(staged.contents, self._signed)
        reader = Reader(staged.contents, of.paths)
        catalogue.inverted(of, reader)
        return of, None, reader

    def _old_sums(self) -> dict[str, str]:
        if self._old_top is None:
            return {}
        try:
            with open(f"{self._old_top}/{SUMS}", encoding="ascii") as file:
                return {line[130:]: line[:128] for line in file.read(limits.PAGES_STATE).split("\n") if line}
        except (OSError, UnicodeDecodeError):
            return {}

    def _signed(self, path: str) -> bool:
        file = self._staged.directory / path
        return (self._about.signed or carries_signature)(file)

    def _record(self, of: Catalogue, changed: Difference | None) -> Record:
        staged = self._staged
        times = self._about.times()
        timed = [seconds for name in of.paths if (seconds := times.get(name)) is not None] if times else []
        count = len(staged.contents.entries)
        counts = (0, 0, 0) if changed is None else (len(changed.added), len(changed.removed), len(changed.rebuilt))
        signed = count - len(of.unsigned)
        origin = shown.line(staged.origin)
        return Record(staged.number, staged.created, origin, count, of.size, signed, *counts, int(sum(timed)), len(timed))

    # --- the pages

    def _packages(self, of: Catalogue, what: Changes | None, reader: Reader, names: Sequence[str]) -> None:
        again = None if what is None else what.touched | what.relinked
        title, known, needed = self._title, of.paths.__contains__, of.needed
        for name in names:
            file = f"packages/{name}.html"
            if again is not None and name not in again and self._keep(file):
                continue
            users = needed.get(name, "")
            self._file(file, package.page(name, title, reader.builds(name), users.split() if users else (), known))

    def _categories(self, categories: Mapping[str, Sequence[str]], what: Changes | None) -> None:
        again = None if what is None else {name.partition("/")[0] for name in what.names}
        for name, members in categories.items():
            file = f"categories/{name}.html"
            if again is None or name in again or not self._keep(file):
                self._file(file, lists.category(self._title, name, members))

    def _search(
        self,
        of: Catalogue,
        what: Changes | None,
        reader: Reader,
        names: Sequence[str],
        categories: Mapping[str, Sequence[str]],
    ) -> None:
        divided = search.divided(names)
        flags: dict[str, list[str]] = {}
        for flag in of.used:
            flags.setdefault(search.use_key(flag), []).append(flag)
        if what is None or what.names or what.flags or not self._keep(search.NAMES):
            self._file(search.NAMES, search.names_text(categories, divided, flags))
        gone = () if what is None else [name.partition("/")[2] for name in what.names if name not in of.paths]
        for key, members in divided.items():
            file = search.row_file(key)
            whole = what is None or any(one.startswith(key.rstrip(".")) for one in gone)
            if not whole and what is not None and what.touched.isdisjoint(members) and self._keep(file):
                continue
            rows = {} if what is None else self._old_rows(file, what.touched)
            fresh = (rows.get(name) or search.row(name, reader.builds(name)) for name in members)
            self._file(file, search.text(list(fresh)))
        again = None if what is None else set(map(search.use_key, what.flags))
        for key, members in flags.items():
            file = search.use_file(key)
            if again is None or key in again or not self._keep(file):
                self._file(file, search.text({flag: of.used[flag] for flag in sorted(members)}))

    def _old_rows(self, file: str, touched: set[str]) -> dict[str, search.Row]:
        if file not in self._old:
            return {}
        try:
            with open(f"{self._old_top}/{file}", "rb") as opened:
                return {row[0]: row for row in json.loads(opened.read()) if row[0] not in touched}
        except (OSError, ValueError, TypeError, LookupError):
            return {}

    def _front(
        self, categories: Mapping[str, Sequence[str]], records: Sequence[Record], record: Record, changed: Difference | None
    ) -> None:
        about, staged = self._about, self._staged
        base = f"{about.url}/{staged.channel}/{DIRECTORY}/" if about.url else ""
        health = Health(staged.expires, staged.left_out, about.runs, about.builds, about.updated)
        title, channel = self._title, staged.channel
        for asset in sorted(ASSETS.iterdir()):
            self._file(asset.name, asset.read_bytes())
        counts = {name: len(members) for name, members in categories.items()}
        self._file(lists.INDEX, lists.index(title, channel, counts, records, health))
        if about.updated is not None:
            self._file(update.NAME, update.page(title, about.updated))
        self._file(lists.RELEASES, lists.releases(title, channel, records))
        channels = {**staged.channels, channel: staged.number}
        self._file(client.NAME, client.page(title, channel, about.url, about.fingerprints, about.root, channels, feed.NAME))
        self._file(feed.NAME, feed.feed(title, staged.repository, channel, base, records))
        for one in records[:-1]:
            self._keep(f"releases/{one.number}.html")
        self._file(f"releases/{record.number}.html", changes.page(title, channel, record, changed, feed.NAME))

    # --- the files

    def _keep(self, name: str) -> bool:
        """Link a file from the live release. Returns whether it exists there."""
        digest = self._old.get(name)
        if digest is None:
            return False
        self._directory(name)
        try:
            os.link(f"{self._old_top}/{name}", f"{self._top}/{name}", follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError:
            place(f"{self._old_top}/{name}", f"{self._top}/{name}", Placed())
        self._sums[name] = digest
        return True

    def _file(self, name: str, data: bytes) -> None:
        self._directory(name)
        _write(f"{self._top}/{name}", data)
        self._sums[name] = hashlib.blake2b(data).hexdigest()

    def _directory(self, name: str) -> None:
        parent = name.rpartition("/")[0]
        if parent and parent not in self._directories:
            self._directory(parent)
            os.mkdir(f"{self._top}/{parent}", 0o755)
            self._directories.add(parent)


def _only(contents: Contents, paths: Sequence[str]) -> Contents:
    """Only the entries at ``paths``, so that nothing else is compared again."""
    return Contents(contents.header, {path: contents.entries[path] for path in paths}, b"")


def carries_signature(path: Path) -> bool:
    """Whether a package ends with a signed Manifest, as a signed gpkg does. The gate ``signatures`` checks whether it is
    valid."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        return _SIGNATURE in os.pread(file.fileno(), limits.PAGES_SIGNATURE, max(0, size - limits.PAGES_SIGNATURE))


def _write(path: str, data: bytes) -> None:
    """Write a new file of the staged release. It is not flushed here, because the whole release is flushed before it is
    used."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb", buffering=0) as file:
        file.write(data)


@lru_cache(maxsize=1)
def _sources() -> bytes:
    digest = hashlib.blake2b()
    for path in sorted([*Path(__file__).parent.glob("*.py"), *ASSETS.iterdir()]):
        digest.update(path.read_bytes())
    return digest.digest()


def _made_by(title: str) -> str:
    return hashlib.blake2b(_sources() + title.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
