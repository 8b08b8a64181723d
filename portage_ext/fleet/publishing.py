"""What the next releases carry is saved first, as one document; nothing is written below /etc/portage."""

from __future__ import annotations

from pathlib import Path

from portage_ext import files
from portage_ext.errors.fleet import ConfigError
from portage_ext.fleet import document, hosts, own, profile
from portage_ext.fleet.configuration import read
from portage_ext.fleet.document import Document, Profile
from portage_ext.tasks.releasing.publishing import saved
from portage_ext.tasks.site import Site


def known(site: Site) -> Document:
    """What the next release carries. Raises InvalidConfigError, OSError."""
    path = saved(site.eroot)
    return document.parse(path.read_bytes(), str(path)) if path.is_file() else Document()


def made(site: Site, name: str, directory: Path | None = None, parent: str | None = None) -> Profile:
    """The configuration of this host as the profile ``name``, or that of another host, which is read from ``directory``.

    ``parent`` is the profile below it (None: that of this host). Raises ConfigError, OSError.
    """
    if not document.NAME.fullmatch(name):
        raise ConfigError(name, "it is not a name for a profile", "Use lower-case letters, digits, dashes and underscores")
    here = own.own()
    parent = parent or here.profile
    if ":" not in parent:
        raise ConfigError(
            parent or "this host", "its profile is not one of an ebuild repository", "Name one with --parent REPOSITORY:PATH"
        )
    if directory is None:
        found = read(hosts.files(site.config_root / "etc/portage"), here.variables, here.use_expand)
    elif (config := hosts.place(directory)) is not None:
        found = hosts.configuration(config)
    else:
        raise ConfigError(str(directory), "it has no configuration of a host", "Name the directory of one host")
    texts, left = profile.files(found, parent, here.arch)
    return Profile(parent, texts, profile.sets(found, name), left)


def check(site: Site) -> None:
    """Raises ConfigError if this host publishes no releases, so that nothing could carry a profile."""
    if site.settings.publishing.own is None:
        raise ConfigError(
            "this host",
            "portage-ext.toml has no [publish], and a profile is published in the releases of a binhost",
            "Run `portage-ext setup --role binhost`, or set tree in [publish]; `config publish --dry-run` shows the profile",
        )


def save(site: Site, changed: Document) -> None:
    """Save what the next releases carry. Raises InvalidConfigError, OSError."""
    path = saved(site.eroot)
    if not changed.profiles:
        path.unlink(missing_ok=True)
        return
    data = changed.emit()
    files.make_directory(path.parent)
    files.replace_file(path, data)
