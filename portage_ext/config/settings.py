"""/etc/portage/portage-ext.toml is read once and completely into values; an unknown key or value is an error.

::

    [fetch]
    timeout = 30            # seconds without an answer
    retries = 2             # further attempts at each mirror
    low-speed = 1024        # bytes a second, below which …
    low-speed-time = 60     # … for so many seconds a transfer is given up
    delta-memory = 1024     # MiB of memory that making a package from a delta may take; 0: always fetch whole packages

    [sign]
    key = "0123…"           # fingerprint; default: gpg's default key
    homedir = "/var/lib/binhost/gnupg"
    jobs = 2

    [release]
    valid-days = 30
    channel = "production"
    cosign = ["4567…"]      # further keys of the same home that sign Releases, where a root wants several signatures

    [trust]
    portage-home = "/etc/portage/gnupg"   # BINPKG_GPG_VERIFY_GPG_HOME

    [binrepo.lab]
    release = "required"    # or "optional"
    mirrors = ["https://mirror.example/lab"]
    channel = "production"

``publishing`` describes [publish], [repository.NAME] and [mirror.NAME], ``unattended`` [binhost] and [postsync], ``building``
[build], ``swarm`` [swarm], ``asking`` [ask], [client.NAME] and [door], ``watching`` [watch], ``updating`` [update],
``snapshotting`` [snapshot], ``toolchain`` the key of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from portage_ext import limits
from portage_ext.config import building, publishing, swarm, toolchain, unattended, watching
from portage_ext.config.building import Building, DeployHost
from portage_ext.config.publishing import Publishing
from portage_ext.config.swarm import Swarm
from portage_ext.config.table import Table, document, whole
from portage_ext.config.unattended import Unattended
from portage_ext.config.watching import Metrics, Watching
from portage_ext.errors import SettingsError
from portage_ext.records import field, record, replace

if TYPE_CHECKING:
    from portage_ext.config.asking import Asking, Client, Door
    from portage_ext.config.updating import Updating


@record
class BinrepoSettings:
    """How one binrepo is used: whether a Release is required, further mirrors in order, the expected channel."""

    release_required: bool = True
    mirrors: tuple[str, ...] = ()
    channel: str | None = None


@record
class FetchSettings:
    """Patience with a mirror. Times in seconds, ``low_speed`` in bytes a second, ``retries`` after the first attempt."""

    timeout: float = 30
    retries: int = 2
    low_speed: int = 1024
    low_speed_time: float = 60
    delta_memory: int = limits.GIB
    """In bytes; 0: no deltas are used."""


@record
class SignSettings:
    """The signing key, its gpg home (None: gpg's default), and how many packages are signed at once (0: one per CPU)."""

    key: str | None = None
    homedir: Path | None = None
    jobs: int = 0


@record
class ReleaseSettings:
    """What a Release that this host makes says: validity in days, and its channel; and which keys sign it beside [sign] key."""

    valid_days: int = 30
    channel: str = "production"
    cosign: tuple[str, ...] = ()


@record
class Settings:
    """The whole file; every part has defaults."""

    fetch: FetchSettings = FetchSettings()
    sign: SignSettings = SignSettings()
    release: ReleaseSettings = ReleaseSettings()
    portage_home: Path = Path("/etc/portage/gnupg")
    binrepos: Mapping[str, BinrepoSettings] = field(default_factory=dict)
    publishing: Publishing = field(default_factory=Publishing)
    unattended: Unattended = field(default_factory=Unattended)
    building: Building = field(default_factory=Building)
    swarm: Swarm = field(default_factory=Swarm)
    hosts: Mapping[str, DeployHost] = field(default_factory=dict)
    watching: Watching = field(default_factory=Watching)
    metrics: Metrics = field(default_factory=Metrics)
    update: Updating | None = None
    asking: Asking | None = None
    clients: Mapping[str, Client] = field(default_factory=dict)
    door: Door | None = None

    @property
    def updating(self) -> Updating:
        """The table [update], or its defaults."""
        from portage_ext.config.updating import Updating

        return self.update or Updating()

    def binrepo(self, name: str) -> BinrepoSettings:
        """The settings of the binrepo ``name``, or the defaults (a Release is required)."""
        return self.binrepos.get(name, BinrepoSettings())


def load(config_root: Path, *, client_only: bool = False) -> Settings:
    """Read the file below ``config_root`` (PORTAGE_CONFIGROOT); without a file all values are defaults.

    ``client_only`` reads only what fetching needs, so that a mistake in [publish] does not stop emerge from fetching
    packages. Raises SettingsError, ToolchainModeError.
    """
    home = config_root / "etc/portage/gnupg"
    top = whole(config_root)
    return Settings(portage_home=home) if top is None else _settings(top, home, client_only=client_only)


def parse(text: str, *, path: Path, portage_home: Path = Path("/etc/portage/gnupg"), client_only: bool = False) -> Settings:
    """Read the file's text; ``path`` is named in errors. See :func:`load`."""
    return _settings(Table(document(text, str(path)), "", str(path)), portage_home, client_only=client_only)


def _settings(top: Table, portage_home: Path, *, client_only: bool) -> Settings:
    fetch, sign, release, trust = (top.table(name) for name in ("fetch", "sign", "release", "trust"))
    binrepos = top.table("binrepo")
    homedir = sign.text("homedir")
    settings = Settings(
        fetch=FetchSettings(
            timeout=fetch.number("timeout", 30, 0.1, 3600),
            retries=int(fetch.number("retries", 2, 0, 20)),
            low_speed=int(fetch.number("low-speed", 1024, 0, 2**30)),
            low_speed_time=fetch.number("low-speed-time", 60, 0.1, 3600),
            delta_memory=int(fetch.number("delta-memory", limits.GIB // limits.MIB, 0, 65536)) * limits.MIB,
        ),
        sign=SignSettings(sign.text("key"), Path(homedir) if homedir else None, int(sign.number("jobs", 0, 0, 64))),
        release=ReleaseSettings(
            int(release.number("valid-days", 30, 1, 400)), release.text("channel") or "production", release.texts("cosign")
        ),
        portage_home=Path(trust.text("portage-home") or portage_home),
        binrepos={name: _binrepo(binrepos.table(name)) for name in binrepos.names()},
    )
    for table in (fetch, sign, release, trust):
        table.nothing_left()
    if client_only:
        return settings
    toolchain.check(top)
    # Commands that run again and again import this module, and need none of these tables.
    from portage_ext.config import asking, snapshotting, updating

    snapshotting.read(top)
    settings = replace(
        settings,
        publishing=publishing.read(top),
        unattended=unattended.read(top),
        building=building.read(top),
        swarm=swarm.read(top),
        hosts=building.read_hosts(top),
        watching=watching.read(top),
        update=updating.read(top),
        metrics=watching.read_metrics(top),
        asking=asking.read(top),
        clients=asking.read_clients(top),
        door=asking.read_door(top),
    )
    top.nothing_left()
    return settings


def _binrepo(table: Table) -> BinrepoSettings:
    word = table.text("release") or "required"
    if word not in ("required", "optional"):
        raise SettingsError(table.path, f'{table.name}.release is "{word}", but must be "required" or "optional"')
    binrepo = BinrepoSettings(word == "required", table.texts("mirrors"), table.text("channel"))
    table.nothing_left()
    return binrepo
