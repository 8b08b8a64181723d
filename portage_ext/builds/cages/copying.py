"""An environment is made of the files that a host lists, and becomes a target's only if a capture of it equals the host's.

docs/adr/0705 says which layers it has, who shares them, and what verifies them.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from portage_ext.builds.cages.captured import Caged
from portage_ext.builds.cages.environment import stacked
from portage_ext.builds.layers import published, stack
from portage_ext.builds.layers.laying import Came, Host, Laying
from portage_ext.builds.layers.stack import Repository, Stack
from portage_ext.builds.layers.store import Layers
from portage_ext.builds.places import Places
from portage_ext.errors.builds import BlockedError, TargetError
from portage_ext.targets import native, stage
from portage_ext.targets.capture import Target
from portage_ext.targets.copying.listing import LAYERS, Entry, Layer, check, digest
from portage_ext.targets.differences import Difference, differences

_OWN_CPU: Final = frozenset(("cpu_flags", "cpu_level", "cpu_needs", "march"))
"""What a capture says of the CPU on which it runs, or of flags that depend on it."""
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Planned:
    """A layer of a copy: its name, its digest, its entries, and whether it exists already."""

    name: Layer
    content: str
    entries: tuple[Entry, ...]
    exists: bool

    @property
    def size(self) -> int:
        """Bytes of all contents."""
        return sum(one.size for one in self.entries)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that is planned: ``captured`` is the capture of the host; ``made`` are contents that are made here, by path."""

    name: str
    captured: Target
    places: Places
    layers: tuple[Planned, ...]
    made: Mapping[str, bytes]
    repositories: tuple[Repository, ...]

    def perform(self, host: Host, pkgdirs: Sequence[Path]) -> tuple[Target, Came]:
        """Make what is missing, and compare. Returns the target, which is not saved, and where the bytes came from. Raises
        PortageExtError, OSError."""
        store = Layers(self.places.layers)
        packages = partial(published.contents, pkgdirs, self.captured.installed)
        laying = Laying(store, host, self.made, packages)
        contents: dict[str, str] = {one.name: one.content for one in self.layers}
        made = Stack(self.places.layers, contents, self.captured.source, self.repositories)
        with contextlib.ExitStack() as held:
            for one in self.layers:
                held.enter_context(store.layer(stack.recipe(one.content), partial(laying.lay, one.entries)))
            with Caged(stacked(self.name, self.captured, made)) as capture:
                found = capture.target()
            if unlike := differing(self.captured, found):
                named = [f"{one.area} {one.name}: {one.first or 'nothing'} -> {one.second or 'nothing'}" for one in unlike]
                more = f"; and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
                why = f"would differ from the host: {'; '.join(named[:_SHOWN])}{more}"
                todo = "sync the ebuild repositories of both hosts if the profile differs; else copy again"
                raise BlockedError(self.name, why, todo)
            place = stack.place(self.places.state, self.name)
            made.save(place)
        return replace(found, source=f"{stack.KIND}:{place}"), laying.came


def plan(name: str, captured: Target, host: Host, places: Places, repositories: Mapping[str, Path]) -> Copy:
    """Plan the copy of ``host`` for the target ``name``. ``repositories`` are those of this host, by name. Raises
    PortageExtError, OSError."""
    if captured.eprefix:
        raise TargetError(name, "it is a Gentoo Prefix, and what is around a Prefix cannot be copied; capture one on this host")
    bound = tuple(_repository(name, one.name, one.location, repositories) for one in captured.repositories)
    made = {**stage.configuration(captured, name), "etc/portage/repos.conf": _repos_conf(captured)}
    entries = [one for one in host.entries if not f"{one.path}/".startswith("etc/portage/")]
    ours = {one.path: one for one in _configuration(name, captured, made)}
    entries = [one for one in entries if one.path not in ours or (one.kind == "d" and ours[one.path].kind == "d")]
    there = {one.path for one in entries if one.layer == "config"}
    entries += [one for path, one in ours.items() if path not in there]
    check(entries, host.where)
    store = Layers(places.layers)
    layers = []
    for layer in LAYERS:
        of = tuple(one for one in entries if one.layer == layer)
        content = digest(of)
        layers.append(Planned(layer, content, of, store.is_whole(stack.recipe(content))))
    return Copy(name, captured, places, tuple(layers), made, bound)


def differing(host: Target, found: Target) -> list[Difference]:
    """In what an environment differs from its host, apart from what cannot be equal here."""
    march = host.builder.march
    return [
        one
        for one in differences(host, found)
        if one.area != "repository"
        and not (one.area == "builder" and one.name in _OWN_CPU)
        and not one.name.startswith("var/lib/portage/world")
        and native.replaced(one.first.encode(), march) != native.replaced(one.second.encode(), march)
    ]


def _repository(name: str, repository: str, inside: str, repositories: Mapping[str, Path]) -> Repository:
    if repository not in repositories:
        why = f"the host has the ebuild repository {repository}, and this host has not; add it to repos.conf, or name a copy"
        raise TargetError(name, f"{why} with --repository")
    return Repository(repository, str(repositories[repository]), inside)


def _repos_conf(captured: Target) -> bytes:
    main = next((one for one in captured.repositories if not one.masters), captured.repositories[0])
    sections = [f"[DEFAULT]\nmain-repo = {main.name}\n"]
    sections += [f"[{one.name}]\nlocation = {one.location}\npriority = {one.priority}\n" for one in captured.repositories]
    return "\n".join(sections).encode()


def _configuration(name: str, captured: Target, made: Mapping[str, bytes]) -> list[Entry]:
    """The entries of the configuration that is made here, with their directories."""
    found = [
        Entry("config", path, "f", 0o644, 0, 0, 0, len(data), hashlib.blake2b(data, digest_size=32).hexdigest())
        for path, data in made.items()
    ]
    locations = {one.name: one.location for one in captured.repositories}
    profiles = [one.partition(":") for one in captured.profiles]
    profile = next((f"{locations[top]}/profiles/{path}" for top, _, path in reversed(profiles) if top in locations), "")
    if not profile:
        raise TargetError(name, "the profile of the host is in none of its ebuild repositories")
    found.append(Entry("config", "etc/portage/make.profile", "l", 0o777, 0, 0, 0, 0, profile))
    above = {str(parent) for one in found for parent in Path(one.path).parents if str(parent) != "."}
    return [*found, *(Entry("config", path, "d", 0o755, 0, 0, 0, 0, "") for path in above)]
