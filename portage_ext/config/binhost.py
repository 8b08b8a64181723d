"""What portage-ext.toml says about work that nobody starts by hand: after an emerge on a binhost, after a sync.

::

    [binhost]
    after-emerge = "publish"      # sign, index and publish; "index": without publishing; "off", the default: nothing
    channel = "staging"           # where to (default: into of [publish], else channel of [release])

    [postsync]
    job = "/usr/local/bin/update-binhost"   # started after a sync that brought something; none by default
    refresh = true                # after a sync, ask the binhosts with pinned keys for their Releases
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.config.settings import SETTINGS_FILE
from portage_ext.config.table import Table, document
from portage_ext.errors import SettingsError

PUBLISH, INDEX, OFF = "publish", "index", "off"
AFTER_EMERGE: Final = "after-emerge"
"""The key without which nothing happens after an emerge."""


@dataclass(frozen=True, slots=True)
class Unattended:
    """``after_emerge`` is one of PUBLISH, INDEX, OFF; ``job`` the words of a command, none when no job is to be started."""

    after_emerge: str = OFF
    channel: str | None = None
    job: tuple[str, ...] = ()
    refresh: bool = True


def load(config_root: Path) -> Unattended:
    """Read the file under ``config_root`` (PORTAGE_CONFIGROOT); without one all is default. Raises SettingsError."""
    path = config_root / SETTINGS_FILE
    try:
        with path.open("rb") as file:
            data = file.read(limits.CONFIG_FILE_SIZE)
    except FileNotFoundError:
        return Unattended()
    except OSError as error:
        raise SettingsError(str(path), str(error)) from error
    if b"binhost" not in data and b"postsync" not in data:
        return Unattended()
    # Only a host that has such a table pays for the parser: emerge may be the one that asks.
    try:
        top = Table(document(data.decode(), str(path)), "", str(path))
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), str(error)) from error
    binhost, postsync = top.table("binhost"), top.table("postsync")
    word = binhost.text(AFTER_EMERGE) or OFF
    if word not in (PUBLISH, INDEX, OFF):
        raise binhost.wrong(AFTER_EMERGE, f'one of "{PUBLISH}", "{INDEX}", "{OFF}"')
    job = postsync.text("job")
    try:
        words = tuple(shlex.split(job)) if job else ()
    except ValueError as error:
        raise postsync.wrong("job", f"a command ({error})") from error
    found = Unattended(word, binhost.text("channel"), words, postsync.flag("refresh", True))
    binhost.nothing_left()
    postsync.nothing_left()
    return found
