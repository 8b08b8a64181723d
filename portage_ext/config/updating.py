"""What portage-ext.toml says about `portage-ext update`.

::

    [update]
    role = "binhost"            # or "client"; by default "binhost" if [publish] has a tree
    what = ["@world"]           # what is updated, and
    options = ["--update", "--deep", "--newuse"]    # further words for emerge
    preserved-rebuild = true
    depclean = false
    report = "always"           # to Portage's elog; or "problems", "never"

    clean = true                # a binhost: remove from PKGDIR what is no longer needed
    staging = "staging"         # the channel of new releases, and
    production = "production"   # the channel that clients follow
    trial = 50                  # how many changed packages a scratch client installs; 0: none
    promote = "at-once"         # or "after-hours", "by-hand"
    hours = 24                  # the wait of "after-hours"
    mirrors = true

    compile = true              # a client: false holds back what would be compiled
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from portage_ext.config.table import Table

BINHOST, CLIENT = "binhost", "client"
AT_ONCE, AFTER_HOURS, BY_HAND = "at-once", "after-hours", "by-hand"
ALWAYS, PROBLEMS, NEVER = "always", "problems", "never"
OPTIONS: Final = ("--update", "--deep", "--newuse")


@dataclass(frozen=True, slots=True)
class Updating:
    """``role`` is None where the file does not name one; ``wait`` is in seconds."""

    role: str | None = None
    what: tuple[str, ...] = ("@world",)
    options: tuple[str, ...] = OPTIONS
    preserved_rebuild: bool = True
    depclean: bool = False
    report: str = ALWAYS
    clean: bool = True
    staging: str = "staging"
    production: str = "production"
    trial: int = 50
    promote: str = AT_ONCE
    wait: int = 24 * 3600
    mirrors: bool = True
    compile: bool = True


def read(top: Table) -> Updating:
    """The table [update] of the file. Raises SettingsError."""
    table = top.table("update")
    found = Updating(
        role=_one_of(table, "role", (BINHOST, CLIENT)),
        what=table.texts("what", ("@world",)),
        options=table.texts("options", OPTIONS),
        preserved_rebuild=table.flag("preserved-rebuild", True),
        depclean=table.flag("depclean", False),
        report=_one_of(table, "report", (ALWAYS, PROBLEMS, NEVER)) or ALWAYS,
        clean=table.flag("clean", True),
        staging=table.text("staging") or "staging",
        production=table.text("production") or "production",
        trial=int(table.number("trial", 50, 0, 10_000)),
        promote=_one_of(table, "promote", (AT_ONCE, AFTER_HOURS, BY_HAND)) or AT_ONCE,
        wait=int(table.number("hours", 24, 0, 87_600) * 3600),
        mirrors=table.flag("mirrors", True),
        compile=table.flag("compile", True),
    )
    table.nothing_left()
    return found


def _one_of(table: Table, key: str, words: tuple[str, ...]) -> str | None:
    word = table.text(key)
    if word is not None and word not in words:
        raise table.wrong(key, "one of " + ", ".join(f'"{one}"' for one in words))
    return word
