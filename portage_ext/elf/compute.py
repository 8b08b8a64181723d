"""The contract of a package is what its objects need from other packages, and what they define for others.

Only what the loader enforces counts: a weak version reference is not a need; a library without version definitions satisfies
every version; what a plugin expects from the program that loads it is not a need.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from portage_ext.elf.places import expand, is_debug, is_library, is_public
from portage_ext.elf.reader import ElfObject, versions_hold
from portage_ext.limits import SYMBOLIC_LINKS
from portage_ext.model.contract import Library, Need, Placed, SymbolContract, bounded

_NONE: Final[Mapping[str, str]] = {}


def contract_of(
    objects: Mapping[str, ElfObject],
    *,
    eprefix: str = "",
    public: Collection[str] = (),
    optional: Collection[Library] = (),
    links: Mapping[str, str] = _NONE,
) -> SymbolContract:
    """The contract of the package whose objects are ``objects``, by absolute path.

    ``public`` are further directories of the loader's; ``optional`` libraries that the ebuild excludes (REQUIRES_EXCLUDE);
    ``links`` names of libraries that are links, and where they lead.
    """
    everybody = frozenset(public)

    def reachable(directory: str) -> bool:
        return is_public(directory, eprefix) or directory in everybody

    own: dict[Library, list[frozenset[str]]] = {}
    defines: dict[Library, frozenset[str]] = {}
    private: dict[Placed, frozenset[str]] = {}
    for path, found in _named(objects, links):
        if found.program and not found.soname:
            continue
        directory, base = posixpath.split(path)
        for name in {found.soname or base, base}:
            own.setdefault((found.category, name), []).append(found.defines)
        if is_debug(path, eprefix):
            continue
        library = found.category, found.soname or base
        if reachable(directory):
            defines[library] = defines.get(library, frozenset()) | found.defines
        elif found.soname or is_library(base):
            private[directory, library] = private.get((directory, library), frozenset()) | found.defines
    needs: dict[Library, tuple[set[str], bool]] = {}
    search: dict[str, dict[str, None]] = {}
    for path, found in sorted(objects.items()):
        if is_debug(path, eprefix):
            continue
        directory = posixpath.dirname(path)
        plugin = not found.program and not reachable(directory)
        outside = False
        for soname in dict.fromkeys((*found.needed, *found.versions)):
            library = found.category, soname
            versions = found.versions.get(soname, frozenset())
            if "/" in soname:
                # A path and not a name: the loader does not search for it.
                path_named = next(expand((soname,), directory, found.category), None)
                if path_named is None or path_named in objects:
                    continue
                library = found.category, path_named
            if library in optional or any(versions_hold(versions, defined) for defined in own.get(library, ())):
                continue
            outside = True
            wanted, only_plugins = needs.get(library, (set(), True))
            wanted.update(versions)
            needs[library] = wanted, only_plugins and plugin
        if outside and found.search:
            places = search.setdefault(found.category, {})
            places.update((place, None) for place in expand(found.search, directory, found.category) if not reachable(place))
    return SymbolContract(
        tuple(Need(*library, frozenset(versions), plugin) for library, (versions, plugin) in sorted(needs.items())),
        defines,
        {category: tuple(places) for category, places in search.items() if places},
        bounded(private),
    )


def _named(objects: Mapping[str, ElfObject], links: Mapping[str, str]) -> Iterator[tuple[str, ElfObject]]:
    """Each object by its path, and an object without a soname also by its links, because other objects need it by these."""
    yield from objects.items()
    for path in links:
        target = path
        for _ in range(SYMBOLIC_LINKS):
            if target not in links:
                break
            target = links[target]
        found = objects.get(target)
        if found is not None and not found.soname:
            yield path, found
