"""Where a USE flag of a package gets its state from on this host.

Portage's settings tell which layer decides. File and line are then searched, because Portage does not keep them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from portage.dep import Atom, match_from_list
from portage.exception import InvalidAtom

from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.limits import CONFIG_FILE_SIZE

_CONFIG: Final = "portage.package.ebuild.config:config"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Names(f"{_CONFIG}.__init__", ("backupenv", "configdict", "profiles")),
    Function(f"{_CONFIG}.setcpv", ("self",)),
    Function("portage.dep:match_from_list", ("mydep", "candidate_list")),
    Function("portage.dep:Atom.__init__", ("self", "s")),
)
_LAYERS: Final = {
    "env": "the environment",
    "pkg": "package.use",
    "conf": "make.conf",
    "defaults": "the profile",
    "pkginternal": "IUSE of the ebuild",
    "features": "FEATURES",
    "repo": "the repository's make.defaults",
    "env.d": "env.d",
}


class UseOrigin:
    """Reads the settings of one package at a time; ``settings`` is the ``config`` that is switched from package to package."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self._config = os.path.join(settings["PORTAGE_CONFIGROOT"], "etc/portage")

    def group(self, flag: str) -> str:
        """The USE_EXPAND variable that ``flag`` belongs to, in lower case; empty for an ordinary flag."""
        for name in self.settings.get("USE_EXPAND", "").lower().split():
            if flag.startswith(f"{name}_"):
                return str(name)
        return ""

    def of(self, package: Any, flag: str, forced: bool, masked: bool) -> str:
        """Where ``flag`` of the ebuild ``package`` (an ``_emerge.Package``) gets its state from."""
        if forced or masked:
            word = "mask" if masked else "force"
            return self._fixed(package, flag, word) or f"use.{word}"
        self.settings.setcpv(package)
        expand, _, value = self._split(flag)
        for layer in self.settings["USE_ORDER"].split(":"):
            # Portage keeps the result of all layers in "env".
            values = self.settings.backupenv if layer == "env" else self.settings.configdict.get(layer)
            if values is None:
                continue
            said = _mentions(values.get("USE", ""), flag)
            variable = bool(expand) and layer != "pkg" and values.get(expand) is not None
            if said or variable:
                return self._place(layer, package, flag, expand if variable else "USE", value if variable else flag)
        return "nothing enables it"

    def _split(self, flag: str) -> tuple[str, str, str]:
        group = self.group(flag)
        return group.upper(), group, flag[len(group) + 1 :] if group else flag

    def _place(self, layer: str, package: Any, flag: str, variable: str, word: str) -> str:
        where = _LAYERS.get(layer, layer)
        if layer == "pkg":
            return _entry(self._user("package.use"), package, flag) or f"{where} of the profile"
        if layer == "conf":
            files = _tree(os.path.join(self._config, "make.conf"))
            return _assignment(files, variable, word) or _assignment([f"{self._config}/../make.conf"], variable, word) or where
        if layer == "defaults":
            files = [os.path.join(profile, "make.defaults") for profile in self.settings.profiles]
            by_package = [os.path.join(profile, "package.use") for profile in self.settings.profiles]
            return _entry(_files(by_package), package, flag) or _assignment(files, variable, word) or where
        return where

    def _user(self, name: str) -> list[str]:
        return _tree(os.path.join(self._config, name))

    def _fixed(self, package: Any, flag: str, word: str) -> str:
        directories = [*self.settings.profiles, os.path.join(self._config, "profile")]
        for stable in ("", "stable."):
            by_package = [os.path.join(one, f"package.use.{stable}{word}") for one in directories]
            found = _entry(_files(by_package), package, flag)
            if not found:
                found = _line(_files([os.path.join(one, f"use.{stable}{word}") for one in directories]), flag)
            if found:
                return found
        return ""


def setting(settings: Any, variable: str, word: str) -> str:
    """``file:line`` of make.conf or a profile that gives ``variable`` the ``word``, or sets it at all; empty: neither does."""
    config = os.path.join(settings["PORTAGE_CONFIGROOT"], "etc/portage")
    own = _tree(os.path.join(config, "make.conf"))
    profiles = [os.path.join(profile, "make.defaults") for profile in settings.profiles]
    return _assignment(own, variable, word) or _assignment(profiles, variable, word)


def _mentions(use: str, flag: str) -> bool:
    words = set(use.split())
    whole = any(word.endswith("_*") and flag.startswith(word.strip("-*")) for word in words)
    return whole or not words.isdisjoint({flag, f"-{flag}", "-*"})


def _files(paths: Iterable[str]) -> list[str]:
    return [file for path in paths for file in _tree(path)]


def _tree(path: str) -> list[str]:
    if os.path.isdir(path):
        return sorted(os.path.join(parent, name) for parent, _, names in os.walk(path) for name in names)
    return [path] if os.path.isfile(path) else []


@lru_cache(maxsize=4096)
def _lines(path: str) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            return tuple(file.read(CONFIG_FILE_SIZE).decode("utf-8", "replace").split("\n"))
    except OSError:
        return ()


def _words(paths: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Place and words of every line that is no comment, the last first: later lines win."""
    for path in reversed(list(paths)):
        for number, line in reversed(list(enumerate(_lines(path), 1))):
            words = line.partition("#")[0].split()
            if words:
                yield f"{path}:{number}", words


def _line(paths: Iterable[str], flag: str) -> str:
    return next((place for place, words in _words(paths) if words[0].lstrip("-") == flag), "")


def _entry(paths: Iterable[str], package: Any, flag: str) -> str:
    """The last entry for ``package`` that names ``flag``, also as ``GROUP: value``."""
    for place, words in _words(paths):
        prefix = ""
        for word in words[1:]:
            if word.endswith(":"):
                prefix = f"{word[:-1].lower()}_"
            elif (
                word.lstrip("-") in (flag.removeprefix(prefix), "*") and flag.startswith(prefix) and _matches(words[0], package)
            ):
                return place
    return ""


def _matches(text: str, package: Any) -> bool:
    try:
        return bool(match_from_list(Atom(text, allow_wildcard=True, allow_repo=True), [package]))
    except InvalidAtom:
        return False


def _assignment(paths: Iterable[str], variable: str, word: str) -> str:
    """The last line below an assignment of ``variable`` that has ``word``; else, or without a word, where it is assigned."""
    token = re.compile(rf"(?<![\w+@-])-?{re.escape(word)}(?![\w+@-])|(?<!\S)-\*")
    begins = re.compile(r"^\s*(?:export\s+)?(\w+)=")
    assigned = ""
    for path in reversed(list(paths)):
        found, current = "", ""
        for number, line in enumerate(_lines(path), 1):
            match = begins.match(line)
            if match:
                current = match[1]
            if current == variable and not line.lstrip().startswith("#"):
                if match:
                    assigned = assigned or f"{path}:{number}"
                if token.search(line.partition("=")[2] if match else line) if word else match:
                    found = f"{path}:{number}"
        if found:
            return found
    return assigned
