"""Can package.env say anything about getbinpkg at all? Answered by looking, not by parsing.

This is what a host without such entries pays for in every emerge, so it imports nothing but what is loaded anyway.
"""

from __future__ import annotations

import os
from typing import Any

from portage_ext.limits import CONFIG_FILE_SIZE

FROM = "GETBINPKG_FROM"


def concerns(file: str) -> bool | None:
    """Whether an env file can switch getbinpkg or name binhosts; None when it cannot be read.

    Also yes where it could do so without saying the word: with a variable or ``-*`` in FEATURES, or by sourcing a file.
    """
    try:
        with open(file, "rb") as opened:
            text = opened.read(CONFIG_FILE_SIZE)
    except OSError:
        return None
    if b"getbinpkg" in text or FROM.encode() in text:
        return True
    if b"FEATURES" in text and (b"$" in text or b"-*" in text):
        return True
    return any(line.lstrip().startswith((b"source ", b"source\t", b". ", b".\t")) for line in text.split(b"\n"))


def session_needed(emerge_config: Any) -> bool:
    """Whether this run of emerge could be any different with portage-ext: it builds a list, and something concerns it."""
    if emerge_config.action is not None or emerge_config.opts.get("--getbinpkg") is False:
        return False
    settings = emerge_config.target_config.settings
    if any(FROM in settings.configdict[layer] for layer in ("env", "conf", "defaults")):
        return True
    config_directory = os.path.join(settings["PORTAGE_CONFIGROOT"], "etc/portage")
    if not os.path.exists(os.path.join(config_directory, "package.env")):
        return False
    env_directory = os.path.join(config_directory, "env")
    # Every env file, not only those of entries that Portage understood: a mistake in an atom is to be named.
    files = {os.path.join(parent, name) for parent, _, names in os.walk(env_directory) for name in names}
    for atoms in settings._penvdict.values():
        for names in atoms.values():
            files.update(os.path.join(env_directory, name) for name in names)
    return any(concerns(file) is not False for file in files)


def binaries_possible(emerge_config: Any) -> bool:
    """Whether this run of emerge can merge a binary: only then is there anything to check."""
    options = emerge_config.opts
    if emerge_config.action is not None:
        return False
    if any(options.get(option) is True for option in ("--usepkg", "--usepkgonly", "--getbinpkg", "--getbinpkgonly")):
        return True
    return "--resume" in options or "getbinpkg" in emerge_config.target_config.settings.features


def removes_packages(emerge_config: Any) -> bool:
    """Whether this run of emerge is there to remove installed packages."""
    return emerge_config.action in ("clean", "depclean", "prune", "rage-clean", "unmerge")
