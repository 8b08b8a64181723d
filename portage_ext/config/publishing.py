"""What portage-ext.toml says about published trees: where they are, what is kept and checked, and their mirrors.

::

    [publish]
    tree = "/srv/binhost/amd64"     # served by the web server
    into = "staging"                # the channel where `publish` goes by default
    keep = 10                       # newest releases of a channel, and
    keep-days = 14                  # releases that were live within this many days
    grace-hours = 24                # how long files stay available for clients with an older index
    gates = ["index", "signatures", "closure", "contracts", "licences", "glsa", "install"]
    public = ["production"]         # channels that everybody can read: the gate `licences` counts there
    licences = ["@BINARY-REDISTRIBUTABLE"]
    glsa = "warn"                   # or "refuse": what the gate `glsa` does with a vulnerable package
    sample = 3                      # packages that the gate `install` merges
    provided = ["sys-libs/glibc"]   # packages that clients have from elsewhere, and
    provided-libraries = ["libc.so.6", "ld-linux*"]   # sonames likewise (default: all that no package defines)
    toolchain = ["sys-libs/glibc", …]   # in public channels, clients get the new symbol versions of these packages first, and
    toolchain-hours = 24            # the other packages after so many hours; 0: everything at once
    may-be-empty = false            # publish a release even if it offers few packages or none
    builder = true                  # publish builder.json: how this host builds, for `portage-ext compare`
    bill-of-materials = false       # publish sbom.cdx.json: the packages of the release in CycloneDX's format
    provenance = false              # publish provenance.jsonl: what each package was built from
    deltas = false                  # offer deltas between builds of the same source, where they save enough
    site = false                    # write pages for people with each release
    title = "amd64"                 # the name of the binhost on them (default: that of the tree's directory)
    url = "https://binhost.example.org/amd64"       # where the tree is served
    private = false                 # only your own hosts may read it: `check` warns if everybody can

    [publish.channel.staging]       # the same keys, for one channel
    gates = ["index", "signatures"]

    [repository.v3]                 # a further PKGDIR below the same web server: --repository v3
    tree = "/srv/binhost/amd64-v3"
    pkgdir = "/var/cache/binpkgs-v3"
    url = "https://binhost.example.org/amd64-v3"

    [mirror.eu]
    to = "push@eu.example.org:/srv/binhost/amd64"
    channels = ["production"]       # default: all channels
    options = ["--bwlimit=10m"]     # further words for rsync
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portage_ext.config.table import Table
from portage_ext.errors import RequestError
from portage_ext.records import field, record

WARN, REFUSE = "warn", "refuse"
_DAY: Final = 86400
TOOLCHAIN: Final = (
    "sys-libs/glibc",
    "sys-libs/musl",
    "sys-devel/gcc",
    "sys-libs/libcxx*",
    "sys-libs/llvm-libunwind",
    "llvm-runtimes/*",
)
"""Patterns of the packages with the libraries that nearly everything needs: the C and C++ libraries."""
_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:\[\]-]+(?:/[A-Za-z0-9._~%+-]*)*")


@record
class ChannelRules:
    """The rules of one channel. Times in seconds. ``gates`` are names; None: every gate in releases/gates."""

    keep: int = 10
    keep_age: int = 14 * _DAY
    grace: int = _DAY
    gates: tuple[str, ...] | None = None
    licences: tuple[str, ...] = ("@BINARY-REDISTRIBUTABLE",)
    glsa: str = WARN
    sample: int = 3
    provided: tuple[str, ...] = ()
    provided_libraries: tuple[str, ...] = ("*",)
    toolchain: tuple[str, ...] = TOOLCHAIN
    toolchain_wait: int = _DAY


@record
class RepositorySettings:
    """One published repository: its tree, its PKGDIR (None: Portage's), what its pages say of it, and whether only hosts of
    its owner may read it."""

    tree: Path
    pkgdir: Path | None = None
    title: str | None = None
    url: str | None = None
    private: bool = False


@record
class MirrorSettings:
    """One mirror: where rsync sends to, which channels, further options for rsync."""

    name: str
    to: str
    channels: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    repository: str | None = None


@record
class Publishing:
    """Everything about publishing; ``own`` is the repository of [publish]."""

    own: RepositorySettings | None = None
    channel: str | None = None
    rules: ChannelRules = ChannelRules()
    channels: Mapping[str, ChannelRules] = field(default_factory=dict)
    public: tuple[str, ...] = ("production",)
    repositories: Mapping[str, RepositorySettings] = field(default_factory=dict)
    mirrors: Mapping[str, MirrorSettings] = field(default_factory=dict)
    builder: bool = True
    may_be_empty: bool = False
    site: bool = False
    bill: bool = False
    provenance: bool = False
    deltas: bool = False

    def of(self, channel: str) -> ChannelRules:
        return self.channels.get(channel, self.rules)

    def repository(self, name: str | None) -> RepositorySettings:
        """The repository ``name``, or that of [publish]. Raises RequestError."""
        found = self.own if name is None else self.repositories.get(name)
        if found is None:
            known = ", ".join(self.repositories) or "none"
            asked = f"[repository.{name}]" if name else "tree in [publish]"
            raise RequestError(
                f"portage-ext.toml has no {asked} (repositories: {known}). Name the tree with --tree, or make one with "
                "`portage-ext setup --role binhost`"
            )
        return found


def read(top: Table) -> Publishing:
    """The tables [publish], [repository.NAME] and [mirror.NAME] of the file. Raises SettingsError."""
    publish, repositories, mirrors = (top.table(name) for name in ("publish", "repository", "mirror"))
    channels = publish.table("channel")
    settings = Publishing(
        own=_repository(publish),
        channel=publish.text("into"),
        public=publish.texts("public", ("production",)),
        rules=(rules := _rules(publish, ChannelRules())),
        channels={name: _channel(channels.table(name), rules) for name in channels.names()},
        repositories={name: _named(repositories.table(name)) for name in repositories.names()},
        mirrors={name: _mirror(name, mirrors.table(name)) for name in mirrors.names()},
        builder=publish.flag("builder", True),
        may_be_empty=publish.flag("may-be-empty", False),
        site=publish.flag("site", False),
        bill=publish.flag("bill-of-materials", False),
        provenance=publish.flag("provenance", False),
        deltas=publish.flag("deltas", False),
    )
    publish.nothing_left()
    return settings


def _repository(table: Table) -> RepositorySettings | None:
    tree, pkgdir, title, url = (table.text(key) for key in ("tree", "pkgdir", "title", "url"))
    if url is not None and not _URL.fullmatch(url):
        raise table.wrong("url", "a URL that begins with https:// or http:// and has no password, query or blank in it")
    private = table.flag("private", False)
    return None if tree is None else RepositorySettings(Path(tree), Path(pkgdir) if pkgdir else None, title, url, private)


def _rules(table: Table, base: ChannelRules) -> ChannelRules:
    glsa = table.text("glsa") or base.glsa
    if glsa not in (WARN, REFUSE):
        raise table.wrong("glsa", f'"{WARN}" or "{REFUSE}"')
    return ChannelRules(
        keep=int(table.number("keep", base.keep, 1, 100_000)),
        keep_age=int(table.number("keep-days", base.keep_age / _DAY, 0, 36_500) * _DAY),
        grace=int(table.number("grace-hours", base.grace / 3600, 0, 87_600) * 3600),
        gates=table.texts("gates") if table.has("gates") else base.gates,
        licences=table.texts("licences", base.licences),
        glsa=glsa,
        sample=int(table.number("sample", base.sample, 0, 1000)),
        provided=table.texts("provided", base.provided),
        provided_libraries=table.texts("provided-libraries", base.provided_libraries),
        toolchain=table.texts("toolchain", base.toolchain),
        toolchain_wait=int(table.number("toolchain-hours", base.toolchain_wait / 3600, 0, 8760) * 3600),
    )


def _channel(table: Table, base: ChannelRules) -> ChannelRules:
    rules = _rules(table, base)
    table.nothing_left()
    return rules


def _named(table: Table) -> RepositorySettings:
    found = _repository(table)
    table.nothing_left()
    if found is None:
        raise table.wrong("tree", "set, but every repository needs it")
    return found


def _mirror(name: str, table: Table) -> MirrorSettings:
    to = table.text("to")
    if to is None:
        raise table.wrong("to", "set, but every mirror needs it")
    mirror = MirrorSettings(name, to, table.texts("channels"), table.texts("options"), table.text("repository"))
    table.nothing_left()
    return mirror
