"""Differences between two targets are listed if they decide which packages fit, each once and by the name of the setting."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final

from portage_ext.model.builder import Builder
from portage_ext.model.cpv import Cpv
from portage_ext.targets.capture import Installed, Target

_NOT_COMPARED: Final = frozenset(("portage_ext", "world", "sets", "package_use"))
"""Values of builder.json that are not compared: they are also files of the capture, or do not decide which packages fit."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference. ``area`` is builder, make.conf, env, profile, repository, file or installed. An empty value means that this
    target does not have it."""

    area: str
    name: str
    first: str
    second: str


def differences(first: Target, second: Target) -> list[Difference]:
    """All differences, areas in the order of ``Difference.area``, names sorted."""
    return [
        *_mappings("builder", _builder(first.builder), _builder(second.builder)),
        *_mappings("make.conf", first.make_conf, second.make_conf),
        *_mappings("env", _env(first), _env(second)),
        *_mappings("profile", dict.fromkeys(first.profiles, "there"), dict.fromkeys(second.profiles, "there")),
        *_mappings("repository", _repositories(first), _repositories(second)),
        *_mappings("file", _files(first), _files(second)),
        *_mappings("installed", _installed(first.installed), _installed(second.installed)),
    ]


def identity(target: Target) -> str:
    """A digest of everything that decides what is built in this environment. It is the same on every machine with a copy of it.

    The features of the CPU are left out, because an environment may be copied to another machine; the world file is left out
    because it does not decide what is built.
    """
    compared = {
        "builder": {name: text for name, text in _builder(target.builder).items() if name != "cpu_flags"},
        "make.conf": dict(target.make_conf),
        "env": _env(target),
        "profile": list(target.profiles),
        "repository": {one.name: one.commit or one.sync_uri for one in target.repositories},
        "file": {path: text for path, text in _files(target).items() if not path.startswith("var/lib/portage/world")},
        "installed": _installed(target.installed),
    }
    return hashlib.blake2b(json.dumps(compared, sort_keys=True).encode(), digest_size=32).hexdigest()


def _mappings(area: str, first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(first.keys() | second.keys()):
        if first.get(name, "") != second.get(name, ""):
            yield Difference(area, name, first.get(name, ""), second.get(name, ""))


def _builder(value: Builder) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in fields(value):
        if one.name in _NOT_COMPARED:
            continue
        content = getattr(value, one.name)
        if isinstance(content, Mapping):
            found |= {f"{one.name} {key}": " ".join(texts) for key, texts in content.items()}
        else:
            found[one.name] = " ".join(content) if isinstance(content, tuple) else str(content)
    return found


def _env(target: Target) -> dict[str, str]:
    return {f"{name}: {key}": value for name, values in target.env_files.items() for key, value in values.items()}


def _repositories(target: Target) -> dict[str, str]:
    return {one.name: one.commit[:12] or one.sync_uri or one.location for one in target.repositories}


def _files(target: Target) -> dict[str, str]:
    return {path: data.decode("utf-8", "replace") for path, data in target.files.items()}


def _installed(packages: tuple[Installed, ...]) -> dict[str, str]:
    """The installed packages by slot, so that an update is one difference and not two."""
    found: dict[str, str] = {}
    for one in packages:
        cpv = Cpv.parse(one.cpv)
        key = f"{cpv.cp}:{one.slot.partition('/')[0]}"
        use = f" USE={one.use!r}" if one.use else ""
        build = f"-{one.build_id}" if one.build_id else ""
        found[key] = f"{cpv.pvr}{build} :{one.slot}{use} files {one.contents[:12]}"
    return found
