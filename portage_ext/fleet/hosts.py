"""The configurations of several hosts below one directory, such as a git repository, are only read; none is changed.

A host is a directory with ``etc/portage``, or with what ``/etc/portage`` has. Its name is that of the directory.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.errors.fleet import ConfigError
from portage_ext.fleet.configuration import Configuration, read
from portage_ext.fleet.own import make_conf, own
from portage_ext.limits import fleet as bounds
from portage_ext.targets import allowed
from portage_ext.targets.collect import walk

_MARKS: Final = ("make.conf", "package.use", "package.accept_keywords", "package.mask", "package.license", "sets")
"""What shows that a directory has what /etc/portage has."""


@dataclass(frozen=True, slots=True)
class Drift:
    """``what`` is said differently: ``values`` has each wording and the hosts with it; an empty wording: they lack it."""

    what: str
    values: Mapping[str, tuple[str, ...]]


def files(config: Path) -> dict[str, bytes]:
    """The allowed files of ``config``, an ``/etc/portage``, by path below the root of the host. Raises ConfigError, OSError."""
    found: dict[str, bytes] = {}
    size, top = 0, os.path.join(os.path.realpath(config), "")
    for path in walk(config):
        name = f"etc/portage/{path.relative_to(config)}"
        # A link may lead out of a directory that another host wrote.
        if not allowed.is_allowed(name) or not os.path.realpath(path).startswith(top):
            continue
        size += path.stat().st_size
        if size > bounds.HOST_BYTES or len(found) >= bounds.HOST_FILES:
            raise ConfigError(
                str(config),
                f"its files are more than {bounds.HOST_FILES}, or {bounds.HOST_BYTES} bytes",
                "Move what is not configuration to another place",
            )
        found[name] = path.read_bytes()
    return found


def configuration(config: Path) -> Configuration:
    """The configuration of another host in ``config``, an ``/etc/portage``. Raises ConfigError, OSError."""
    found = next((path for path in (config / "make.conf", config / "make.conf/make.conf") if path.is_file()), None)
    return read(files(config), make_conf(found) if found else {}, own().use_expand)


def place(directory: Path) -> Path | None:
    """The ``/etc/portage`` in ``directory``; None if there is none."""
    if (directory / "etc/portage").is_dir():
        return directory / "etc/portage"
    return directory if any((directory / name).exists() for name in _MARKS) else None


def hosts(directory: Path) -> dict[str, Configuration]:
    """The configuration of each host below ``directory``. Raises ConfigError, OSError."""
    found = {
        one.name: config
        for one in sorted(directory.iterdir())
        if one.is_dir() and not one.name.startswith(".") and (config := place(one)) is not None
    }
    if not found or len(found) > bounds.HOSTS:
        raise ConfigError(
            str(directory),
            f"it has {len(found) or 'no'} directories with the configuration of a host",
            "Name a directory that has one directory for each host, with the content of its /etc/portage",
        )
    return {name: configuration(config) for name, config in found.items()}


def drift(known: Mapping[str, Configuration]) -> Iterator[Drift]:
    """What the hosts do not all say alike, in the order of the files."""
    said = {host: dict(_said(one)) for host, one in known.items()}
    for what in sorted({what for one in said.values() for what in one}):
        values: dict[str, list[str]] = {}
        for host, one in said.items():
            values.setdefault(one.get(what, ""), []).append(host)
        if len(values) > 1:
            order = Counter({text: len(names) for text, names in values.items()}).most_common()
            yield Drift(what, {text: tuple(values[text]) for text, _ in order})


def _said(one: Configuration) -> Iterator[tuple[str, str]]:
    for name, words in one.variables.items():
        yield f"make.conf: {name}", " ".join(words) or '""'
    for name, lines in one.lines.items():
        for atom, words in lines.items():
            yield f"{name}: {atom}", " ".join(words) or "listed"
    for name, atoms in one.sets.items():
        yield f"sets/{name}", " ".join(sorted(atoms)) or "empty"
