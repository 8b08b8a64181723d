"""All use of Portage by made repositories is here: repos.conf, the content of other repositories, fetching, and reading
ebuilds.

This is the only module of the room that imports Portage. It is also run as a program, isolated from the system, to read
ebuilds. It then has its own repos.conf (PORTAGE_REPOSITORIES), in which a view of the overlay replaces the repository that is
being made.
"""

from __future__ import annotations

import configparser
import copy
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from portage_ext import files
from portage_ext.emerge import patching
from portage_ext.emerge.patching import Patch
from portage_ext.errors import SettingsError
from portage_ext.errors.repositories import RepositoryError
from portage_ext.host import probe
from portage_ext.host.probe import Attribute, Expectation, Function, Names
from portage_ext.limits import repositories as limits
from portage_ext.repositories import cache, confined, record
from portage_ext.repositories.user import User

_DATABASE: Final = "portage.dbapi.porttree:portdbapi"
_SECTIONS: Final = (Function("portage.repository.config:RepoConfigLoader.__init__", ("self", "paths", "settings")),)
EXPECTED: Final[tuple[Expectation, ...]] = (
    *_SECTIONS,
    Function(f"{_DATABASE}.cp_list", ("self", "mycp"), ("use_cache", "mytree")),
    Function(f"{_DATABASE}.aux_get", ("self", "mycpv", "mylist"), ("mytree",)),
    Function("portage.repository.config:RepoConfigLoader.config_string", ("self",)),
    Function("portage.dep:match_from_list", ("mydep", "candidate_list")),
    Names("portage.sync.modules.git.git:GitSync.new", ("verify_head",)),
    Names("portage.sync.modules.git.git:GitSync.update", ("verify_head",)),
    Names("portage.sync.modules.rsync.rsync:RsyncSync.update", ("verify_metamanifest",)),
    Function("portage.dbapi:dbapi._pkg_str", ("self", "cpv", "repo")),
    Attribute("portage.repository.config:RepoConfig._masters_orig"),
    Attribute("portage.sync:module_controller"),
    Attribute("portage.versions:_pkg_str"),
    Attribute("portage:_sync_mode"),
)
LOSS: Final = "repositories with sync-type pick cannot be made"
MADE: Final = ("pick", "pypi")
"""The sync types whose repositories are made by this package."""
CACHE: Final = "var/cache/portage-ext"
STATE: Final = "var/lib/portage-ext"
_KEPT: Final = ("location", "masters", "priority", "aliases", "eclass-overrides", "main-repo")
"""The keys of repos.conf that affect how an ebuild is read."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another repository: its location, and the packages of it that count (None: all)."""

    name: str
    location: Path
    only: frozenset[str] | None


class Tree:
    """Access to Portage for the repository ``repo``, which a sync makes. ``settings`` and ``portdb`` are Portage's own
    objects."""

    def __init__(self, settings: Any, portdb: Any, repo: Any) -> None:
        """Raises UnknownPortageError, and RepositoryError for the damaged record of another repository."""
        probe.check(LOSS, EXPECTED)
        self.settings = settings
        self.repo = repo
        self._portdb = portdb
        self.name: str = repo.name
        self.others = tuple(self._others())

    @property
    def location(self) -> Path:
        return Path(self.repo.location)

    @property
    def config_root(self) -> Path:
        return Path(self.settings["PORTAGE_CONFIGROOT"])

    def under_root(self, *names: str) -> Path:
        """A path below EROOT."""
        return Path(self.settings["EROOT"], *names)

    def option(self, name: str) -> str:
        """The value of an option of the sync module; empty if repos.conf does not set it."""
        return (self.repo.module_specific_options.get(name) or "").strip()

    def masters(self, words: Iterable[str]) -> tuple[list[tuple[str, Path]], list[str]]:
        """The repositories named in ``words`` with their locations, and the names that repos.conf does not have."""
        known: list[tuple[str, Path]] = []
        missing: list[str] = []
        for word in words:
            try:
                repo = self.settings.repositories[word]
            except KeyError:
                missing.append(word)
            else:
                known.append((repo.name, Path(repo.location)))
        return known, missing

    def configured_masters(self) -> list[str] | None:
        """The masters that repos.conf sets for this repository; None if the overlay's own layout.conf decides."""
        path = Path(self.repo.location, "metadata/layout.conf")
        names = [one.name for one in self.repo.masters or ()]
        main = self.settings.repositories.mainRepo()
        usual = [main.name] if main is not None and main is not self.repo else []
        if path.is_file():
            usual = [one for one in self.repo._masters_orig or () if one in self.settings.repositories.prepos]
        return None if names == usual else names

    def has(self, atom: str) -> bool:
        """Whether another repository has an ebuild that matches ``atom``. USE flags, masks and keywords are ignored."""
        from portage.dep import Atom, match_from_list
        from portage.exception import InvalidAtom

        try:
            asked = Atom(atom).without_use
        except InvalidAtom:
            return False
        for other in self.others:
            if other.only is not None and asked.cp not in other.only:
                continue
            there = self._portdb.cp_list(asked.cp, mytree=str(other.location))
            if there and asked.slot is not None:
                there = [self._with_slot(cpv, other.name) for cpv in there]
            if there and match_from_list(asked, there):
                return True
        return False

    def _with_slot(self, cpv: Any, repository: str) -> Any:
        try:
            return self._portdb._pkg_str(cpv, repository)
        except (KeyError, ValueError):
            return cpv

    def _others(self) -> Iterable[Other]:
        for repo in self.settings.repositories:
            if repo.name == self.name or not repo.location or not os.path.isdir(repo.location):
                continue
            only = None
            if repo.sync_type in MADE:
                # In another made repository only listed packages count: those that are only dependencies may disappear with its
                # next sync.
                found = record.load(Path(repo.location))
                only = frozenset(one.name for one in found.items if one.listed) if found is not None else frozenset()
            yield Other(repo.name, Path(repo.location), only)

    # --- the store

    def fetch(self, kind: str, store: Path, user: User, options: Mapping[str, Any], more: Sequence[str] = ()) -> int:
        """Fetch and verify the overlay into ``store`` with Portage's own sync module ``kind``. Returns its exit status.

        ``options`` are those that Portage gave to our sync module; ``more`` are additional options for `git clone`. If the
        first fetch ends without verification, the store is removed. Raises OSError.
        """
        import portage.sync

        new = not store.exists()
        if new:
            files.make_directory(store.parent)
            store.mkdir(mode=0o755)
            if user.is_other:
                os.chown(store, user.uid, user.gid)
        repo = copy.copy(self.repo)
        repo.location = repo.user_location = str(store)
        repo.sync_type = kind
        repo.sync_rcu = False
        # Only this sync changes the store. So Portage may discard local changes that prevent an update.
        repo.volatile = False
        given = dict(self.repo.module_specific_options)
        if more:
            given["sync-git-clone-extra-opts"] = " ".join((*more, given.get("sync-git-clone-extra-opts") or "")).strip()
        repo.module_specific_options = given
        status, _ = portage.sync.module_controller.get_class(kind)().sync(options={**options, "repo": repo})
        if status and new:
            import shutil

            shutil.rmtree(store, ignore_errors=True)
        return int(status)

    # --- reading ebuilds

    def reader(self, view: Path, masters: Sequence[str], scratch: Path, user: User) -> subprocess.Popen[bytes]:
        """Start the process that reads the ebuilds of the overlay in ``view``. Raises OSError."""
        environment = {
            **os.environ,
            "PORTAGE_REPOSITORIES": self._configuration(view, masters),
            "PORTAGE_TMPDIR": str(scratch),
            "PORTAGE_DEPCACHEDIR": str(scratch / "dep"),
            "FEATURES": "-*",
            "HOME": str(scratch),
            "PYTHONSAFEPATH": "1",
            "PORTAGE_EXT_READS": self.name,
        }
        words = [sys.executable, "-m", "portage_ext.repositories.tree", str(view)]
        return confined.started(words, user=user, writable=[scratch], environment=environment, errors=subprocess.PIPE)

    def _configuration(self, view: Path, masters: Sequence[str]) -> str:
        """The text of repos.conf with ``view`` in place of this repository, and without keys that only a sync uses."""
        parser = configparser.RawConfigParser()
        parser.read_string(self.settings.repositories.config_string())
        made = configparser.RawConfigParser()
        for section in ("DEFAULT", *parser.sections()):
            if section != "DEFAULT":
                made.add_section(section)
            for key, value in parser.items(section):
                if key in _KEPT:
                    made.set(section, key, value)
        if not made.has_section(self.name):
            made.add_section(self.name)
        made.set(self.name, "location", str(view))
        made.set(self.name, "masters", " ".join(masters))
        text = io.StringIO()
        made.write(text)
        return text.getvalue()


def opened(sync_type: str) -> list[Tree]:
    """The repositories in repos.conf with this sync type, also if their location does not exist yet.

    Raises SettingsError if Portage cannot read its configuration, UnknownPortageError, RepositoryError.
    """
    import portage
    from portage.exception import PortageException

    # Without this, Portage ignores a repository that was never synced.
    with patching.applied([Patch(portage, "_sync_mode", lambda before: True)]):
        try:
            settings, database = portage.settings, portage.db[portage.settings["EROOT"]]["porttree"].dbapi
        except PortageException as error:
            raise SettingsError("the configuration of Portage", " ".join(str(error).split())) from error
    return [Tree(settings, database, repo) for repo in settings.repositories if repo.sync_type == sync_type]


@dataclass(frozen=True, slots=True)
class Section:
    """A section of repos.conf with a sync-type. ``options`` are the options of the sync module."""

    name: str
    location: Path
    sync_type: str
    options: Mapping[str, str]


def sections() -> list[Section]:
    """The sections of repos.conf with a sync-type, also if their location does not exist yet. Raises UnknownPortageError."""
    import portage
    from portage.const import USER_CONFIG_PATH
    from portage.repository.config import RepoConfigLoader

    probe.check("the sync types in repos.conf cannot be read", _SECTIONS)
    settings = portage.settings
    # Read the same files as load_repository_config, which itself leaves out repositories whose location does not exist yet.
    places = (settings.global_config_path, os.path.join(settings["PORTAGE_CONFIGROOT"], USER_CONFIG_PATH))
    given = os.environ.get("PORTAGE_REPOSITORIES")
    paths = [os.path.join(one, "repos.conf") for one in places] if given is None else [io.StringIO(given)]
    with patching.applied([Patch(portage, "_sync_mode", lambda before: True)]):
        found = RepoConfigLoader(paths, settings)
    return [
        Section(repo.name, Path(repo.location), repo.sync_type, dict(repo.module_specific_options))
        for repo in found
        if repo.sync_type and repo.location
    ]


def sync_user(tree: Tree) -> User:
    """The user that `emerge --sync` would use for this repository (SyncManager.pre_sync). Raises RepositoryError."""
    import grp
    import pwd

    umask = int(tree.repo.sync_umask, 8) if tree.repo.sync_umask else 0o022
    name, _, group = (tree.repo.sync_user or "").partition(":")
    try:
        if name:
            user = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
        elif "usersync" in tree.settings.features and tree.location.is_dir():
            user = pwd.getpwuid(tree.location.stat().st_uid)
        else:
            user = pwd.getpwuid(os.geteuid())
        gid = user.pw_gid
        if group:
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        why = f"the user of its sync is not known here ({error.args[0]})"
        raise RepositoryError(f"[{tree.name}]", why, "Correct sync-user in repos.conf") from error
    return User(user.pw_uid, gid, (gid,), user.pw_dir, umask)


def sync_options(tree: Tree, user: User) -> dict[str, Any]:
    """The options for Portage's sync modules if we fetch without `emerge --sync`. Their output goes to stderr."""
    environment = tree.settings.environ()
    spawn: dict[str, Any] = {"env": environment, "fd_pipes": {0: 0, 1: 2, 2: 2}, "umask": user.umask}
    if user.is_other:
        spawn |= {"uid": user.uid, "gid": user.gid, "groups": list(user.groups)}
        environment["HOME"] = user.home
    return {
        "emerge_config": SimpleNamespace(opts={"--quiet": True}),
        "logger": lambda xterm_titles, message: None,
        "portdb": tree._portdb,
        "repo": tree.repo,
        "settings": tree.settings,
        "spawn_kwargs": spawn,
        "usersync_uid": user.uid if user.is_other else None,
        "xterm_titles": False,
    }


def matches(atom: str, slots: Mapping[str, str]) -> bool:
    """Whether one of the versions matches ``atom``. ``slots`` has the SLOT of each version; empty if it is unknown."""
    from portage.dep import Atom, match_from_list
    from portage.exception import InvalidAtom
    from portage.versions import _pkg_str

    try:
        asked = Atom(atom).without_use
        known = [_pkg_str(cpv, slot=slot) for cpv, slot in slots.items() if slot]
        unknown = [_pkg_str(cpv) for cpv, slot in slots.items() if not slot]
        return bool(match_from_list(asked, known) or match_from_list(asked.without_slot, unknown))
    except InvalidAtom:
        return False


# --- the reader


def _read(store: str) -> int:
    """Answer each input line ``category/name-version`` with a line of JSON until the input ends."""
    # Only this process writes to the pipe. The output of ebuilds goes to a file.
    answers = os.fdopen(os.dup(1), "wb")
    said = os.open("said", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(said, 1)

    import portage

    database = portage.db[portage.settings["EROOT"]]["porttree"].dbapi
    os.dup2(said, 2)
    answers.write(b"ready\n")
    answers.flush()
    for line in sys.stdin:
        cpv = line.strip()
        os.ftruncate(said, 0)
        os.lseek(said, 0, os.SEEK_SET)
        answers.write(json.dumps({"cpv": cpv, **_metadata(database, cpv, store, said)}).encode() + b"\n")
        answers.flush()
    return 0


def _metadata(database: Any, cpv: str, store: str, said: int) -> dict[str, Any]:
    import portage

    keys = (*cache.KEYS, "INHERITED")
    try:
        values = dict(zip(keys, database.aux_get(cpv, list(keys), mytree=store), strict=True))
    except KeyError:
        with suppress(OSError):
            os.lseek(said, 0, os.SEEK_SET)
        return {"values": None, "why": _reason(os.read(said, limits.READER_LINE // 4).decode("utf-8", "replace"))}
    if not portage.eapi_is_supported(values["EAPI"]):
        return {"values": None, "why": f"this Portage cannot read EAPI {values['EAPI']}"}
    inherited = values.pop("INHERITED").split()
    return {"values": values, "eclasses": inherited, "why": ""}


def _reason(said: str) -> str:
    """The line in the output of Portage and bash that has the reason; the last line if none is marked as an error."""
    lines = [line.strip().lstrip("*! ").strip() for line in said.splitlines()]
    lines = [line for line in lines if line]
    for number, line in enumerate(lines[:-1]):
        if "(depend phase)" in line:
            return lines[number + 1]
    return lines[-1] if lines else "it cannot be read"


if __name__ == "__main__":
    sys.exit(_read(sys.argv[1]))
