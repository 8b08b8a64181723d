"""Whether a part of portage-ext can make a difference to a run of emerge, found by a quick look and without parsing.

Every emerge pays for these checks, also on hosts that need no part. So this module imports only what is loaded anyway.
"""

from __future__ import annotations

import os
from typing import Any

FROM = "GETBINPKG_FROM"
ONLY = "BINPKG_ONLY"
MISS = "BUILD_ON_MISS"
CONFIGURATION = "etc/portage/portage-ext.toml"
MARKS = "var/lib/portage-ext/after-emerge"
TRUST = "etc/portage/portage-ext/trust"


def concerns(file: str) -> bool | None:
    """Whether an env file can switch getbinpkg or name binhosts; None when it cannot be read.

    Also true if it could do so without the word itself: with a variable or ``-*`` in FEATURES, or by sourcing a file.
    """
    # Imported here, because every Portage program loads this module.
    from portage_ext.limits import CONFIG_FILE_SIZE

    try:
        with open(file, "rb") as opened:
            text = opened.read(CONFIG_FILE_SIZE)
    except OSError:
        return None
    if b"getbinpkg" in text or FROM.encode() in text:
        return True
    if b"FEATURES" in text and (b"$" in text or b"-*" in text):
        return True
    return _sources(text)


def _sources(text: bytes) -> bool:
    return any(line.lstrip().startswith((b"source ", b"source\t", b". ", b".\t")) for line in text.split(b"\n"))


def session_needed(emerge_config: Any) -> bool:
    """Whether this run of emerge could be any different with portage-ext: it builds a list, and something concerns it."""
    if emerge_config.action is not None or emerge_config.opts.get("--getbinpkg") is False:
        return False
    settings = emerge_config.target_config.settings
    if any(FROM in settings.configdict[layer] for layer in ("env", "conf", "defaults")):
        return True
    return any(concerns(file) is not False for file in _env_files(settings))


def _env_files(settings: Any) -> set[str]:
    """Every env file, not only those of entries that Portage understood, so that mistakes in atoms are reported."""
    config_directory = os.path.join(settings["PORTAGE_CONFIGROOT"], "etc/portage")
    if not os.path.exists(os.path.join(config_directory, "package.env")):
        return set()
    env_directory = os.path.join(config_directory, "env")
    files = {os.path.join(parent, name) for parent, _, names in os.walk(env_directory) for name in names}
    for atoms in settings._penvdict.values():
        for names in atoms.values():
            files.update(os.path.join(env_directory, name) for name in names)
    return files


def mentions(file: str, variable: str) -> bool | None:
    """Whether an env file can set ``variable``; None when it cannot be read. Also true for one that sources another file."""
    # Imported here, because every Portage program loads this module.
    from portage_ext.limits import CONFIG_FILE_SIZE

    try:
        with open(file, "rb") as opened:
            text = opened.read(CONFIG_FILE_SIZE)
    except OSError:
        return None
    return variable.encode() in text or _sources(text)


def waits_for_binaries(emerge_config: Any) -> bool:
    """Whether a package of this run of emerge may have to wait for a binary."""
    return _set_somewhere(emerge_config, ONLY)


def asks_for_builds(emerge_config: Any) -> bool:
    """Whether a package of this run of emerge may be asked for from a build service."""
    return _set_somewhere(emerge_config, MISS)


def _set_somewhere(emerge_config: Any, variable: str) -> bool:
    """Whether this run builds a list, and make.conf, the environment or an env file may set ``variable``."""
    if emerge_config.action is not None:
        return False
    settings = emerge_config.target_config.settings
    if any(variable in settings.configdict[layer] for layer in ("env", "conf", "defaults")):
        return True
    return any(mentions(file, variable) for file in _env_files(settings))


def binaries_possible(emerge_config: Any) -> bool:
    """Whether this run of emerge can merge a binary: only then is there anything to check."""
    options = emerge_config.opts
    if emerge_config.action is not None:
        return False
    if any(options.get(option) is True for option in ("--usepkg", "--usepkgonly", "--getbinpkg", "--getbinpkgonly")):
        return True
    return "--resume" in options or "getbinpkg" in emerge_config.target_config.settings.features


def index_possible(emerge_config: Any) -> bool:
    """Whether this run of emerge can merge a binary, or writes the index of PKGDIR, which it then reads as well."""
    building = emerge_config.action is None and (
        "buildpkg" in emerge_config.target_config.settings.features
        or any(emerge_config.opts.get(option) is True for option in ("--buildpkg", "--buildpkgonly"))
    )
    return building or binaries_possible(emerge_config)


def removes_packages(emerge_config: Any) -> bool:
    """Whether this run of emerge is there to remove installed packages."""
    return emerge_config.action in ("clean", "depclean", "prune", "rage-clean", "unmerge")


def merges_packages(emerge_config: Any) -> bool:
    """Whether this run of emerge is there to merge packages, and not only to show or fetch them."""
    no_merge = ("--pretend", "--fetchonly", "--fetch-all-uri")
    return emerge_config.action is None and not any(emerge_config.opts.get(option) for option in no_merge)


def makes_snapshots(emerge_config: Any) -> bool:
    """Whether this run of emerge changes the system, on a host whose portage-ext.toml may ask for a snapshot before that.

    Not a run that only fetches or builds packages, or that fills another ROOT with dependencies.
    """
    options, settings = emerge_config.opts, emerge_config.target_config.settings
    if not merges_packages(emerge_config) or options.get("--buildpkgonly"):
        return False
    if options.get("--onlydeps") and settings["ROOT"] != "/":
        return False
    from portage_ext.limits import CONFIG_FILE_SIZE

    try:
        with open(os.path.join(settings["PORTAGE_CONFIGROOT"], CONFIGURATION), "rb") as opened:
            return b"snapshot" in opened.read(CONFIG_FILE_SIZE)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # the part says what is wrong with the file


def keys_pinned(emerge_config: Any) -> bool:
    """Whether this run of emerge builds a list on a host with pinned keys."""
    root = emerge_config.target_config.settings["PORTAGE_CONFIGROOT"]
    return emerge_config.action is None and os.path.isdir(os.path.join(root, TRUST))


def fetches_verified(emerge_config: Any) -> bool:
    """Whether this run of emerge may fetch packages on a host with pinned keys, whose fetchcommand is ours."""
    return keys_pinned(emerge_config) and binaries_possible(emerge_config)


def works_afterwards(emerge_config: Any) -> bool:
    """Whether this host may need work after a change of PKGDIR, or has unfinished work of that kind."""
    settings = emerge_config.target_config.settings
    return is_configured(settings) or os.access(os.path.join(settings["PORTAGE_CONFIGROOT"], MARKS), os.W_OK)


def is_configured(settings: Any) -> bool:
    """Whether portage-ext.toml is there, without which nothing is done after a change of PKGDIR."""
    return os.path.exists(os.path.join(settings["PORTAGE_CONFIGROOT"], CONFIGURATION))


def always(whatever: Any) -> bool:
    """In every run."""
    return True


def never(whatever: Any) -> bool:
    """In no run: for what is active before the first run."""
    return False
