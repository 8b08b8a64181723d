"""The areas of `portage-ext check` that need no Portage. Each gathers values; policy/health.py judges them."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from portage_ext import __version__, limits, shown, words
from portage_ext.config import publishing
from portage_ext.config.settings import FetchSettings
from portage_ext.config.snapshotting import REFUSE, Snapshotting
from portage_ext.errors import PortageExtError
from portage_ext.errors.releases import MirrorPushError
from portage_ext.errors.snapshots import NoMakerError
from portage_ext.errors.trust import GpgError, MirrorError, NotFoundError, TrustError
from portage_ext.fetch.mirrors import bases as bases_of
from portage_ext.fetch.reach import release_at
from portage_ext.host.here import Here
from portage_ext.pkgdir import survey
from portage_ext.policy import health
from portage_ext.policy.health import Area, Finding, KeyState, Space
from portage_ext.releases import roots
from portage_ext.releases.mirror import Mirror
from portage_ext.releases.tree import Tree
from portage_ext.snapshots import keeping
from portage_ext.tasks.site import Site
from portage_ext.trust import kept_root, manage
from portage_ext.trust.defeats import BinrepoValues
from portage_ext.trust.keyfiles import read_keys
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.memory import StateDirectory, checked_name
from portage_ext.unattended import log

MANIFEST: Final = "var/lib/portage-ext/setup/manifest"
CHOICES: Final = "var/lib/portage-ext/setup/choices"
_BLOCK: Final = re.compile(rb"^# >>> portage-ext >>>.*?^# <<< portage-ext <<<[^\n]*\n?", re.M | re.S)
_AGAIN: Final = {"postsync": "postsync --now"}
"""The command that repeats a logged run, where it differs from the name of the run."""
_PATIENCE: Final = FetchSettings(limits.CHECK_TIMEOUT, 0, 1, limits.CHECK_TIMEOUT)


def binhosts(repos: Sequence[BinrepoValues], site: Site) -> dict[str, Callable[[], Area]]:
    """The checks of each binrepo and each of its mirrors, by the name of the area."""
    tasks: dict[str, Callable[[], Area]] = {}
    for one in repos:
        called = shown.line(f"binhost {one.name or one.sync_uri}")
        if "://" not in one.sync_uri or one.sync_uri.startswith("file://"):
            tasks[called] = partial(_local, called, Path(one.sync_uri.removeprefix("file://")))
            continue
        bases = bases_of(one.sync_uri, site.settings.binrepo(one.name).mirrors)
        for number, base in enumerate(bases):
            name = called if not number else f"mirror {number} of {one.name}"
            tasks[name] = partial(_remote, name, one, base, site)
    return tasks


def _local(called: str, place: Path) -> Area:
    there = (place / "Packages").is_file()
    remedy = f"check sync-uri in binrepos.conf, and whether {place} is mounted"
    return Area(called, str(place), () if there else (health.error(f"there is no index in {place}", remedy),))


def _remote(called: str, one: BinrepoValues, base: str, site: Site) -> Area:
    """Whether ``base`` answers, and whether its Release is accepted and not close to its expiry."""
    name = one.name or "PORTAGE_BINHOST"
    begun, now = time.monotonic(), int(time.time())
    try:
        with site.with_patience(_PATIENCE).binrepo(name, base) as binrepo:
            release = release_at(binrepo, base, now)
    except NotFoundError as error:
        remedy = f"check sync-uri and mirrors of {name}; if they are right, tell the binhost's administrator"
        return Area(called, "no index", (health.error(f"{error.where}: {error.why}", remedy),))
    except MirrorError as error:
        remedy = f"check the network, and sync-uri and mirrors of {name}: curl -I {base}/Packages"
        return Area(called, "no answer", (health.error(f"{base}: {error.why}", remedy),))
    except TrustError as error:
        return Area(called, "refused", (health.error(f"{error.where}: {error.why} [{error.kind}]", error.todo),))
    taken = f"{(time.monotonic() - begun) * 1000:.0f} ms"
    if release is None:
        return Area(called, f"no Release, {taken}")
    remedy = "tell the binhost's administrator to run `portage-ext publish --renew` from cron or a timer"
    told = f"Release {release.version}, until {words.day(release.expires)}, {taken}"
    return Area(called, told, tuple(health.ages(base, release, now, remedy)))


def releases(settings: publishing.Publishing) -> Area:
    """The trees that this host publishes."""
    trees = {name: one.tree for name, one in settings.repositories.items()}
    if settings.own is not None:
        trees = {"": settings.own.tree, **trees}
    found: list[Finding] = []
    told: list[str] = []
    now = int(time.time())
    for name, place in trees.items():
        tree = Tree(place)
        which = f" --repository {name}" if name else ""
        channels, root = tree.channels(), roots.beside(place)
        if root is not None:
            told.append(f"root {root.version}")
            made = "on the machine with the root keys: portage-ext root next DIR; portage-ext root sign DIR"
            remedy = f"{made}; then on this host: portage-ext root publish DIR{which}"
            found += health.root(str(place), root, now, remedy)
        if not channels:
            found.append(health.warning(f"{place}: nothing is published yet", f"portage-ext publish{which}"))
        for channel, number in channels.items():
            release = tree.release(number)
            told.append(f"{channel}: {number}")
            remedy = f"portage-ext publish{which} --channel {channel} --renew, and run it from cron or a timer"
            found += health.ages(f"{place}/{channel}", release, now, remedy)
            if root is not None and not roots.accepts(root, place, tree.directory(number), number):
                what = f"{place}/{channel}: clients refuse release {number}: root {root.version} does not name the signing key"
                found.append(health.error(what, f"portage-ext sign; portage-ext publish{which} --channel {channel}"))
    return Area("releases", ", ".join(told) or "none published here", tuple(found))


def mirrors(settings: publishing.Publishing) -> dict[str, Callable[[], Area]]:
    """The checks of each mirror that this host pushes to, by the name of the area."""
    return {f"push to {name}": partial(_pushed, one, settings) for name, one in settings.mirrors.items()}


def _pushed(one: publishing.MirrorSettings, settings: publishing.Publishing) -> Area:
    tree = Tree(settings.repository(one.repository).tree)
    options = (*one.options, f"--timeout={limits.CHECK_TIMEOUT:.0f}")
    which = f" --repository {one.repository}" if one.repository else ""
    called, remedy = f"push to {one.name}", f"portage-ext mirror {one.name}{which}"
    try:
        lags = Mirror(one.name, one.to, tree, one.channels, options).lag()
    except MirrorPushError as error:
        return Area(called, "no answer", (health.error(str(error), f"check {one.to}, and then run: {remedy}"),))
    behind = [health.warning(f"{one.to}: {lag}", f"{remedy}, and run it from cron") for lag in lags if lag.here != lag.there]
    return Area(called, ", ".join(f"{lag.channel}: {lag.there or 'none'}" for lag in lags) or "no channels", tuple(behind))


def keys(site: Site) -> Area:
    """The keys that are pinned on this host, and the key that it signs with."""
    now, found, count = int(time.time()), list[Finding](), 0
    settings, directory = site.settings, TrustDirectory(site.config_root)
    for name in directory.binrepos():
        state, root_pins = StateDirectory(site.eroot, checked_name(name)), directory.root_pins(name)
        if root_pins is not None:
            count += len(root_pins.keys)
            found += _rooted(name, directory, state, now)
        # The keys as they were pinned, and as they were prolonged later.
        rings = b"".join(one.read_bytes() for one in (directory.keyring_file(name), state.keyring_file) if one.is_file())
        present = {one.primary: one for one in read_keys(rings)} if rings else {}
        for pin in sorted(directory.pins(name)):
            count += 1
            remedy = (
                f"portage-ext trust add {name} --fingerprint {pin} --from URL, with the URL of the prolonged key; or give the "
                "fingerprint of its successor"
            )
            one = present.get(pin)
            if one is None:
                found.append(
                    health.error(f"[{name}] the pinned key {pin} is not in its keyring, so its Releases are refused", remedy)
                )
            else:
                found += health.key(KeyState(f"[{name}]", pin, one.expires, one.revoked), now, remedy)
    if settings.sign.key:
        home = settings.sign.homedir or Path(os.environ.get("GNUPGHOME", "~/.gnupg")).expanduser()
        try:
            data = manage.present_in_portage(home, settings.sign.key)
        except (GpgError, PermissionError) as error:
            return Area(
                "keys", f"{count} in use, and one that gpg cannot read", (*found, _unread(home, settings.sign.key, error))
            )
        remedy = (
            f"gpg --homedir {home} --quick-set-expire {settings.sign.key} 2y; then distribute the prolonged key to the clients"
        )
        for one in read_keys(data) if data else ():
            count += 1
            found += health.key(KeyState("[sign]", settings.sign.key, one.expires, one.revoked), now, remedy)
        if not data:
            what = f"[sign] the key {settings.sign.key} is not in {home}, so nothing can be signed"
            remedy = f"gpg --homedir {home} --list-secret-keys, then set `key` in [sign] of portage-ext.toml to a fingerprint"
            found.append(health.error(what, remedy))
    return Area("keys", f"{count} in use" if count else "no pinned key, no signing key", tuple(found))


def _unread(home: Path, key: str, error: GpgError | PermissionError) -> Finding:
    """That it is not known whether the key is there, which is not the same as that it is not."""
    why = error.why if isinstance(error, GpgError) else f"{error.strerror}"
    what = f"[sign] gpg could not read the key {key} in {home}: {why}"
    if os.access(home, os.R_OK | os.X_OK):
        return health.error(what, f"gpg --homedir {home} --list-keys {key}")
    return health.warning(what, "ask again as the user who signs")


def _rooted(name: str, directory: TrustDirectory, state: StateDirectory, now: int) -> Iterator[Finding]:
    """The root of a binrepo with pinned root keys, as this host knows it."""
    root = kept_root.believed(directory, state)
    if root is not None:
        remedy = "tell the binhost's administrator to publish a new root, which needs the root keys"
        yield from health.root(f"[{name}]", root, now, remedy)


def index(host: Here) -> Area:
    """The index of PKGDIR compared with its files."""
    if not host.pkgdir.is_dir():
        return Area("index", f"no PKGDIR {host.pkgdir}")
    files, listed = survey.files(host.pkgdir), survey.index(host.pkgdir)
    trusted = "pkgdir-index-trusted" in host.features
    if listed is None and not files:
        return Area("index", f"{host.pkgdir} is empty")
    found = health.survey(files, listed or {}, trusted)
    return Area("index", f"{words.counted(len(files))} in {host.pkgdir}", tuple(found))


def disk(places: list[tuple[str, str]]) -> Area:
    """Free space where packages are kept, built and published, each file system once."""
    seen: dict[int, Space] = {}
    for what, path in places:
        there = Path(path)
        while not there.exists() and there != there.parent:
            there = there.parent
        status = os.statvfs(there)
        space = Space(
            what,
            str(there),
            status.f_bavail * status.f_frsize,
            status.f_blocks * status.f_frsize,
            status.f_favail,
            status.f_files,
        )
        seen.setdefault(there.stat().st_dev, space)
    told = ", ".join(f"{words.size(one.free)} free ({one.what})" for one in seen.values())
    return Area("disk", told, tuple(finding for one in seen.values() for finding in health.room(one)))


def snapshots(eroot: Path, settings: Snapshotting) -> Area:
    """Whether the snapshots that [snapshot] asks for can be made; nothing is made."""
    try:
        maker = keeping.maker_of(eroot, settings.maker)
    except NoMakerError as error:
        if settings.policy == REFUSE:
            found = health.error(f"emerge refuses every merge, because no snapshot can be made: {error.why}", error.todo)
        else:
            found = health.warning(f"emerge merges without a snapshot, because none can be made: {error.why}", error.todo)
        return Area("snapshots", "cannot be made", (found,))
    return Area("snapshots", f"made by {maker.name} before emerge changes the system")


def hooks(root: Path, config_root: Path) -> Area:
    """What `portage-ext setup` put in place, by its manifest: ``kind TAB BLAKE2B TAB path`` (docs/adr/0602)."""
    try:
        with (root / MANIFEST).open("rb") as file:
            lines = file.read(limits.CONFIG_FILE_SIZE).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        bashrc = config_root / "etc/portage/bashrc"
        if bashrc.is_file() and b"portage-ext" in bashrc.read_bytes():
            return Area("hooks", f"set up by hand, in {bashrc}")
        remedy = (
            f"{_setup(root)} --role client --binhost URL --key FPR; on a machine that builds for others: "
            "--role binhost --tree DIR (docs/administration.md)"
        )
        return Area(
            "hooks", "none", (health.warning("no hooks are installed: no symbol contracts are recorded or checked", remedy),)
        )
    wanted: dict[str, set[str]] = {}
    parts: set[str] = set()
    for kind, digest, path in (line.split("\t") for line in lines if line.count("\t") == 2):
        if kind in ("file", "part"):
            # A file that is being replaced has two lines. Both digests are valid.
            wanted.setdefault(path, set()).add(digest)
            if kind == "part":
                parts.add(path)
    missing, edited = [], []
    for path, digests in wanted.items():
        try:
            data = (root / path).read_bytes()
        except FileNotFoundError:
            # A ._cfg file disappears once the administrator has merged it.
            if not path.rpartition("/")[2].startswith("._cfg"):
                missing.append(f"/{path.lstrip('/')}")
            continue
        block = _BLOCK.search(data) if path in parts else None
        own = data if path not in parts else block[0] if block else b""
        if not own:
            missing.append(f"/{path.lstrip('/')}")
        elif hashlib.blake2b(own).hexdigest() not in digests:
            edited.append(f"/{path.lstrip('/')}")
    found = health.laid(missing, edited, _set_up_by(root), __version__, _setup(root))
    return Area("hooks", f"{words.counted(len(wanted), 'file')} in place", tuple(found))


def _setup(root: Path) -> str:
    """What runs the installer again, with the choices made before."""
    return "portage-ext setup" if root == Path("/") else f"portage-ext setup --root {shlex.quote(str(root))}"


def _set_up_by(root: Path) -> str:
    """The version of the installer that ran last."""
    try:
        with (root / CHOICES).open(encoding="utf-8", errors="replace") as file:
            choices = dict(line.split("\t", 1) for line in file.read(limits.CONFIG_FILE_SIZE).splitlines() if "\t" in line)
    except PermissionError:
        return __version__  # only its owner can read it; other users get no finding
    except FileNotFoundError:
        return ""
    return choices.get("version", "")


def last_runs(host: Here) -> Area:
    """The result of the last unattended run of each kind."""
    latest = {run.what: run for run in log.read(host.config_root)}
    now = time.time()
    told = [f"{one.what} {words.spell(now - one.when)} ago" for one in latest.values()]
    bad = [one for one in latest.values() if not one.ok]
    found = [
        health.error(
            f"the last {one.what}, {words.spell(now - one.when)} ago, failed: {one.line}",
            f"portage-ext {_AGAIN.get(one.what, one.what)}",
        )
        for one in bad
    ]
    return Area("last runs", ", ".join(told) or "none", tuple(found))


def guarded(name: str, work: Callable[[], Area]) -> Area:
    """The area from ``work``, or an area with the error. A failing area does not stop the others."""
    try:
        return work()
    except (PortageExtError, OSError) as error:
        return Area(
            name, "cannot be checked", (health.error(str(error), "correct what it names, then run this command again"),)
        )
    except Exception as error:  # noqa: BLE001 - with an unknown Portage anything can fail, and then this command is needed most
        remedy = "see the area Portage above; if it is ok, report this as a defect of portage-ext"
        return Area(name, "cannot be checked", (health.error(f"{type(error).__name__}: {error}", remedy),))
