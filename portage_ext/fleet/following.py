"""A client that follows a binhost's configuration has it as an ebuild repository, replaced as a whole after each sync.

The owner selects the profile, and may stop at any time: nothing else on the host refers to it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.errors import PortageExtError
from portage_ext.errors.fleet import ConfigError
from portage_ext.fetch import attached as fetching
from portage_ext.fleet import document
from portage_ext.fleet.document import Document
from portage_ext.host.here import binrepos
from portage_ext.limits import fleet as bounds
from portage_ext.model.release import CONFIG
from portage_ext.repositories import swap
from portage_ext.tasks.after_sync import FOLLOWED
from portage_ext.tasks.site import Site

REPOSITORIES: Final = "var/db/repos"
REPOS_CONF: Final = "etc/portage/repos.conf"


@dataclass(frozen=True, slots=True)
class Followed:
    """The ebuild repository ``name`` at ``location`` is made from the configuration of ``binhost``."""

    name: str
    binhost: str
    location: str

    @property
    def section(self) -> str:
        """The section of repos.conf. There is no sync-type: the content comes after a sync of the others."""
        return f"[{self.name}]\nlocation = {self.location}\nauto-sync = no\n"


def followed(eroot: Path) -> list[Followed]:
    """What this host follows. Raises ConfigError."""
    path = eroot / FOLLOWED
    try:
        return [Followed(**one) for one in json.loads(path.read_bytes())] if path.is_file() else []
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            str(path), f"it cannot be read ({error})", "Remove it and run `portage-ext config follow` again"
        ) from error


def follow(site: Site, one: Followed, warn: Callable[[str], None]) -> tuple[Document, bool]:
    """Fetch the configuration of ``one.binhost``, verified, into its location. Returns it, and whether something changed.

    Raises ConfigError, NoDocumentError, InvalidConfigError, TrustError, AllMirrorsFailedError, RepositoryError, OSError.
    """
    found = next((known for known in binrepos() if known.name == one.binhost), None)
    if found is None:
        raise ConfigError(one.binhost, "it is not a section of binrepos.conf", "Add it, and run `portage-ext trust add`")
    with site.binrepo(found.name, found.sync_uri, warn=warn) as binrepo:
        data = fetching.verified(binrepo, CONFIG, bounds.CONFIG_SIZE, int(time.time()))
    parsed = document.parse(data, f"{one.binhost}: {CONFIG}")
    location = Path(one.location)
    if location.exists() and not (location / document.DIRECTORY).is_dir() and any(location.iterdir()):
        raise ConfigError(str(location), "it has something else than a followed configuration", "Name another --location")
    files.make_directory(location.parent)
    texts = {path: swap.File(data) for path, data in parsed.repository(one.name).items()}
    changed = swap.replace(location, texts)
    others = [known for known in followed(site.eroot) if known.name != one.name]
    files.make_directory((site.eroot / FOLLOWED).parent)
    files.replace_file(site.eroot / FOLLOWED, json.dumps([asdict(known) for known in (*others, one)]).encode())
    return parsed, changed


def refreshed(site: Site) -> Iterator[tuple[str, bool]]:
    """Refresh what this host follows: a line for each repository that changed or could not be refreshed, and if it is well.

    One that cannot be refreshed stays as it is.
    """
    try:
        known = followed(site.eroot)
    except ConfigError as error:
        yield str(error), False
        return
    for one in known:
        try:
            _, changed = follow(site, one, lambda text: None)
        except (PortageExtError, OSError) as error:
            yield f"the configuration of {one.binhost} in {one.location} stays as it is: {error}", False
        else:
            if changed:
                yield f"the configuration of {one.binhost} in {one.location} has changed", True


def unfollow(site: Site, name: str) -> Followed:
    """Stop to refresh the repository ``name``; its files stay. Raises ConfigError."""
    known = followed(site.eroot)
    found = next((one for one in known if one.name == name), None)
    if found is None:
        raise ConfigError(name, "this host follows no such repository", "See `portage-ext config show`")
    rest = [asdict(one) for one in known if one.name != name]
    files.replace_file(site.eroot / FOLLOWED, json.dumps(rest).encode())
    return found


def connect(site: Site, one: Followed) -> str | None:
    """Write the section of repos.conf into a file of its own. Returns it as text instead if a person must write it."""
    directory = site.config_root / REPOS_CONF
    path = directory / f"zz-portage-ext-{one.name}.conf"
    if path.is_file():
        return None
    if directory.exists() and not directory.is_dir():
        return one.section
    files.make_directory(directory)
    files.replace_file(path, one.section.encode())
    return None


def location(site: Site, name: str) -> str:
    """Where an ebuild repository lies by default (the value of newer stages)."""
    return os.path.join(site.eroot, REPOSITORIES, name)
