"""What portage-ext.toml says about unattended work: after an emerge on a binhost, and after a sync.

::

    [binhost]
    after-emerge = "publish"      # sign, index and publish; "index": without publishing; "off", the default: nothing
    channel = "staging"           # the channel (default: `into` of [publish], else `channel` of [release])

    [postsync]
    job = "/usr/local/bin/update-binhost"   # started after a sync with changes; none by default
    refresh = true                # after a sync, ask the binhosts with pinned keys for their Releases
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.config.table import SETTINGS_FILE, Table
from portage_ext.records import record

PUBLISH, INDEX, OFF = "publish", "index", "off"
AFTER_EMERGE: Final = "after-emerge"
"""The key that enables work after an emerge."""


@record
class Unattended:
    """``after_emerge`` is one of PUBLISH, INDEX, OFF; ``job`` has the words of a command, none if there is no job."""

    after_emerge: str = OFF
    channel: str | None = None
    job: tuple[str, ...] = ()
    refresh: bool = True


def after_emerge_configured(config_root: Path) -> bool:
    """Whether the file below ``config_root`` may ask for work after emerge: a quick look at its text in every emerge.

    A file that cannot be read counts as asking; the work then reports what is wrong with it.
    """
    try:
        with (config_root / SETTINGS_FILE).open("rb") as file:
            return AFTER_EMERGE.encode() in file.read(limits.CONFIG_FILE_SIZE)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def read(top: Table) -> Unattended:
    """The tables [binhost] and [postsync] of the file. Raises SettingsError."""
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
