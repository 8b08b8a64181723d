"""Portage's own reader (portage.glsa) says which packages a GLSA of the ebuild repository calls vulnerable.

A repository has thousands of GLSAs. Each is read once, within a bound. Portage parses those that name a package in question:
first only the part with the versions, which is quick, and the whole GLSA if that part matches. As for `glsa-check`, versions
that a GLSA calls unaffected win, its architectures count, and a GLSA that the administrator marked as applied (`glsa-check
--inject`) is left out. A GLSA that cannot be read stops nothing.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cmp_to_key
from pathlib import Path
from typing import Any, Final

from portage_ext import limits, shown
from portage_ext.host.closure import database as release_database
from portage_ext.host.probe import Attribute, Expectation, Function
from portage_ext.model import IndexEntry
from portage_ext.model.vulnerable import Advisory, Unread, Vulnerable

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("portage.glsa:get_glsa_list", ("myconfig",)),
    Function("portage.glsa:get_applied_glsas", ("settings",)),
    Function("portage.glsa:makeAtom", ("pkgname", "versionNode")),
    Function("portage.glsa:match", ("atom", "dbapi")),
    Function("portage.glsa:Glsa.parse", ("self", "myfile")),
    Attribute("portage.glsa:ARCH_REGEX"),
    Function("portage.versions:vercmp", ("ver1", "ver2")),
)
_NAMED: Final = re.compile(rb"<package\s[^<>]*?\bname\s*=\s*[\"']([^\"'<>]*)[\"']")
_AFFECTED: Final = re.compile(rb"<affected>.*?</affected>", re.DOTALL)
Packages = Mapping[str, Sequence[Mapping[str, Any]]]
"""As ``Glsa.packages``: for each package name its <package> elements."""


class Glsas:
    """The GLSAs of this host's ebuild repository; ``unread`` gets those that cannot be read."""

    def __init__(self) -> None:
        import portage
        from portage import glsa

        settings = portage.settings
        self._settings = settings
        self.directory = Path(settings.get("GLSA_DIR") or Path(settings.get("PORTDIR") or "/", "metadata/glsa"))
        there = settings.get("GLSA_DIR") or settings.get("PORTDIR")
        applied = frozenset(glsa.get_applied_glsas(settings))
        self._ids = sorted(set(glsa.get_glsa_list(settings)) - applied)[-limits.GLSAS :] if there else []
        self._unread: list[tuple[str, str]] = []

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._ids)

    @property
    def unread(self) -> Unread | None:
        """What could not be read until now."""
        return Unread(tuple(self._unread)) if self._unread else None

    def in_release(self, entries: Iterable[IndexEntry], arch: str = "") -> list[Vulnerable]:
        """The vulnerable packages of a release for ``arch`` (empty: that of this host), with what it has that mends them."""
        every = [(entry, _name(entry)) for entry in entries]
        files = self._naming({name for _, name in every})
        named = {name for _, _, names in files for name in names}
        database = release_database(entry for entry, name in every if name in named)
        return self._vulnerable(files, database, [database], arch)

    def installed(self, arch: str = "") -> list[Vulnerable]:
        """The vulnerable installed packages, with what the visible ebuilds have that mends them."""
        import portage

        trees = portage.db[portage.settings["EROOT"]]
        database = trees["vartree"].dbapi
        return self._vulnerable(self._naming(set(database.cp_all())), database, [trees["porttree"].dbapi], arch)

    def mending(self, found: Vulnerable, entries: Iterable[IndexEntry]) -> list[str]:
        """The CPVs among ``entries`` that are newer than a vulnerable package, of its slot, and called unaffected."""
        name = found.advisories[0].name
        return _offered(found, [release_database(entry for entry in entries if _name(entry) == name)])

    # --- reading

    def _naming(self, names: Collection[str]) -> list[tuple[str, bytes, frozenset[str]]]:
        """Each GLSA that names one of ``names``: id, text, and which. One without any name is parsed to learn why."""
        found: list[tuple[str, bytes, frozenset[str]]] = []
        for glsa in self._ids:
            try:
                with (self.directory / f"glsa-{glsa}.xml").open("rb") as file:
                    data = file.read(limits.GLSA_SIZE + 1)
            except OSError as error:
                self._unread.append((glsa, error.strerror or str(error)))
                continue
            if len(data) > limits.GLSA_SIZE:
                self._unread.append((glsa, f"it has more than {limits.GLSA_SIZE} bytes"))
                continue
            every = frozenset(name.decode("utf-8", "replace").strip() for name in _NAMED.findall(data))
            if not every:
                self._parsed(glsa, data)
            elif ours := every.intersection(names):
                found.append((glsa, data, ours))
        return found

    def _parsed(self, glsa: str, data: bytes) -> Any:
        """Portage's Glsa; None, and a reason in ``unread``, for what it cannot read."""
        from portage.glsa import Glsa

        made = Glsa.__new__(Glsa)  # its __init__ opens the file by itself, without a bound
        made.type, made.nr, made.config = "id", glsa, self._settings
        try:
            if b"<!ENTITY" in data:
                raise ValueError("it defines entities")
            made.parse(io.BytesIO(data))
        except Exception as error:  # noqa: BLE001 - Portage's reader raises whatever a damaged file leads to
            self._unread.append((glsa, shown.line(str(error) or type(error).__name__)))
            return None
        return made

    def _vulnerable(
        self,
        files: Iterable[tuple[str, bytes, frozenset[str]]],
        database: Any,
        offering: Sequence[Any],
        arch: str,
    ) -> list[Vulnerable]:
        arch = arch or str(self._settings.get("ARCH", ""))
        found: dict[Any, list[Advisory]] = {}
        for glsa, data, names in files:
            try:
                part = _affected(data)
                if part is not None and not any(True for _ in _hits(part, names, database, arch)):
                    continue
                made = self._parsed(glsa, data)
                for package, unaffected in _hits(made.packages, names, database, arch) if made is not None else ():
                    advisory = Advisory(glsa, shown.line(made.title), str(package.cp), unaffected)
                    found.setdefault(package, []).append(advisory)
            except Exception as error:  # noqa: BLE001 - a version or range that Portage cannot compare
                self._unread.append((glsa, shown.line(f"{type(error).__name__}: {error}")))
        results = []
        for package, advisories in sorted(found.items()):
            one = Vulnerable(str(package), str(package.slot), tuple(advisories))
            results.append(replace(one, offered=tuple(_offered(one, offering))))
        return results


def _name(entry: IndexEntry) -> str:
    """``category/name``; empty for an entry without a valid CPV, which the gate `index` names."""
    from portage.versions import catpkgsplit

    parts = catpkgsplit(entry.get("CPV"))
    return f"{parts[0]}/{parts[1]}" if parts else ""


def _affected(data: bytes) -> Packages | None:
    """The packages of the part with the versions, as Portage makes them; None if only the whole GLSA can tell."""
    from xml.dom import minidom
    from xml.parsers.expat import ExpatError

    from portage.glsa import GlsaFormatException, makeAtom

    parts = _AFFECTED.findall(data)
    if len(parts) != 1 or b"<!" in parts[0]:
        return None
    try:
        packages: dict[str, list[dict[str, Any]]] = {}
        for one in minidom.parseString(parts[0]).getElementsByTagName("package"):
            name = one.getAttribute("name").strip()
            atoms = {
                key: [makeAtom(name, node) for node in one.getElementsByTagName(tag)]
                for key, tag in (("vul_atoms", "vulnerable"), ("unaff_atoms", "unaffected"))
            }
            packages.setdefault(name, []).append({"arch": one.getAttribute("arch"), **atoms})
    except (ExpatError, GlsaFormatException):
        return None
    return packages


def _hits(packages: Packages, names: Collection[str], database: Any, arch: str) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Each package of ``database`` that is vulnerable, as Portage's value, and the versions that are unaffected."""
    from portage.glsa import ARCH_REGEX, match

    for name, parts in packages.items():
        for part in parts if name in names else ():
            if not ARCH_REGEX.match(part["arch"]):
                raise ValueError(f"an unknown list of architectures: {part['arch']}")
            if part["arch"] != "*" and arch not in part["arch"].split():
                continue
            unaffected = {one for atom in part["unaff_atoms"] for one in match(atom, database)}
            vulnerable = {one for atom in part["vul_atoms"] for one in match(atom, database)} - unaffected
            for one in sorted(vulnerable):
                yield one, _of_slot(part["unaff_atoms"], str(one.slot))


def _of_slot(atoms: Sequence[str], slot: str) -> tuple[str, ...]:
    """The atoms that concern ``slot``; all if none does."""
    return tuple(one for one in atoms if ":" not in one or one.rpartition(":")[2] == slot) or tuple(atoms)


def _offered(package: Vulnerable, databases: Iterable[Any]) -> list[str]:
    """The versions that mend a package for every GLSA: of its slot, newer, and unaffected. Lowest first."""
    from portage.glsa import match
    from portage.versions import cpv_getversion, vercmp

    version = cpv_getversion(package.cpv)
    found: dict[str, Any] = {}
    for database in databases:
        sets = [[one for atom in advisory.unaffected for one in match(atom, database)] for advisory in package.advisories]
        for one in sets[0]:
            known = database._pkg_str(one, None)
            newer = vercmp(known.version, version) > 0
            if newer and known.slot == package.slot and all(one in other for other in sets):
                found[str(one)] = known.version
    newest = cmp_to_key(vercmp)
    return sorted(found, key=lambda one: newest(found[one]))
