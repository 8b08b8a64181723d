"""Two builds with the same job key would make the same package: the key is a digest of everything that decides the result.

Everything else is left out: MAKEOPTS, paths (but for EPREFIX), host names, and the commit of a repository, because the content
of the ebuild is included. The *grade* says how much of the installed dependencies is included:

``exact``   each installed file of a dependency, and which build of it
``built``   its version, slot and sub-slot
``abi``     only its slot and sub-slot, as in Portage's own ``:=`` dependencies
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Final, Literal

from portage_ext import limits
from portage_ext.errors import InvalidCpvError
from portage_ext.errors.builds import JobError, UnresolvedError
from portage_ext.limits import builds as builds_limits
from portage_ext.model.cpv import Cpv

FORMAT: Final = "portage-ext-job-1"
Grade = Literal["exact", "built", "abi"]
GRADES: Final[tuple[Grade, ...]] = ("exact", "built", "abi")
DEFAULT: Final[Grade] = "built"
"""The default of [build] grade."""
_OF_GRADE: Final[dict[Grade, tuple[str, ...]]] = {
    "exact": ("cpv", "slot", "build_id", "contents"),
    "built": ("cpv", "slot"),
    "abi": ("slot",),
}
_SLOTTED: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*/[A-Za-z0-9_][A-Za-z0-9+_-]*:[A-Za-z0-9_][A-Za-z0-9+_.-]*")

Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """One package to build, with all its ingredients in readable form.

    ``ebuild`` has CPV, slot, repository, EAPI and the digests (BLAKE2B, 256 bits) of the ebuild, its eclasses, files, patches
    and bashrc files by name. ``use`` has each IUSE flag as on or off. ``variables`` are those set by make.conf, profile and
    package.env, with ``-march=native`` replaced by the actual flags. ``dependencies`` are the installed packages of DEPEND and
    BDEPEND and their runtime dependencies by ``category/name:slot``; ``toolchain`` has the compiler, linker and C library in
    the same form; ``distfiles`` are digests by name.
    """

    cpv: str
    ebuild: Texts
    use: Texts
    variables: Texts
    dependencies: Mapping[str, Texts]
    toolchain: Mapping[str, Texts]
    distfiles: Texts

    def key(self, grade: Grade = DEFAULT) -> str:
        """The key: 64 hexadecimal digits, BLAKE2B over the canonical JSON of the ingredients that ``grade`` includes."""
        document = {"format": FORMAT, "grade": grade, **_counted(self, grade)}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.blake2b(text.encode("ascii"), digest_size=32).hexdigest()

    def emit(self) -> str:
        """The complete job as JSON."""
        return json.dumps({one.name: _plain(getattr(self, one.name)) for one in fields(self)}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A difference between two jobs: the kind and name of the ingredient, and both values (empty if a job does not have it)."""

    kind: str
    name: str
    first: str
    second: str


def explain(first: Job, second: Job, grade: Grade = DEFAULT) -> list[Ingredient]:
    """All ingredients in which two jobs differ under ``grade``; empty if and only if their keys are equal."""
    one, other = _counted(first, grade), _counted(second, grade)
    found: list[Ingredient] = []
    for kind in one:
        values, others = _flat(one[kind]), _flat(other[kind])
        for name in sorted(values.keys() | others.keys()):
            if values.get(name) != others.get(name):
                found.append(Ingredient(kind, name, values.get(name, ""), others.get(name, "")))
    return found


@dataclass(frozen=True, slots=True)
class Planned:
    """A job of a plan, and the CPVs of earlier jobs that must be merged over the environment before it is built."""

    job: Job
    needs: tuple[str, ...] = ()

    @property
    def cp(self) -> str:
        """category/name of the package."""
        return Cpv.parse(self.job.cpv).cp


def parse(data: bytes, where: str) -> list[Planned]:
    """Parse the plan that ``builds/describe`` printed in a cage. Each job comes after those that it needs. Raises JobError,
    UnresolvedError.

    The ``packages`` of a plan are listed once, because its jobs share most of them; a job has their places in that list.
    Ebuilds of the target have run there, so every value is untrusted: it is limited and checked.
    """
    try:
        document = json.loads(data) if len(data) <= builds_limits.PLAN_SIZE else None
    except (ValueError, RecursionError) as error:
        raise JobError(where, f"its plan is no JSON ({error})") from error
    if not isinstance(document, dict):
        raise JobError(where, f"its plan is no table within {builds_limits.PLAN_SIZE} bytes")
    if "error" in document:
        raise JobError(where, str(document["error"])[: builds_limits.CAPTURE_TEXT])
    if "unresolved" in document:
        said = str(document["unresolved"])[: builds_limits.CAPTURE_TEXT].split("\n")
        raise UnresolvedError(where, "\n".join(words for words in said if words.strip()) or "it does not say why")
    jobs, listed = document.get("jobs"), document.get("packages")
    if not isinstance(jobs, list) or len(jobs) > limits.DEPENDENCIES:
        raise JobError(where, "its plan has no list of jobs within bounds")
    if not isinstance(listed, list) or len(listed) > builds_limits.CAPTURE_PACKAGES:
        raise JobError(where, "its plan has no list of packages within bounds")
    packages = [_package(one, where) for one in listed]
    found: dict[str, Planned] = {}
    for one in jobs:
        planned = _planned(one, where, packages)
        if planned.job.cpv in found or not found.keys() >= set(planned.needs):
            raise JobError(where, f"its plan has {planned.job.cpv} twice, or before what that needs")
        found[planned.job.cpv] = planned
    return list(found.values())


def keyed(plan: Sequence[Planned], grade: Grade) -> list[tuple[str, Planned]]:
    """Return each job of ``plan`` with its key.

    The files of packages that the plan has yet to build are not known. If the grade includes files, the key of the job that
    builds the package is used instead.
    """
    keys: dict[str, str] = {}
    found: list[tuple[str, Planned]] = []
    for one in plan:
        needs = frozenset(one.needs)
        needed = {
            name: {**values, "contents": keys[values["cpv"]]} if values.get("cpv") in needs else values
            for name, values in one.job.dependencies.items()
        }
        planned = replace(one, job=replace(one.job, dependencies=needed))
        keys[one.job.cpv] = planned.job.key(grade)
        found.append((keys[one.job.cpv], planned))
    return found


def _planned(value: object, where: str, packages: Sequence[tuple[str, Texts]]) -> Planned:
    """Parse a job of a plan. The caller checks that what it needs is in the plan."""
    if not isinstance(value, dict) or value.keys() != {"job", "needs"} or not isinstance(value["needs"], list):
        raise JobError(where, "a job of its plan has other keys than a job has")
    return Planned(job(value["job"], where, partial(_listed, packages)), tuple(map(str, value["needs"])))


def job(value: object, where: str, packages: Callable[[object, str], dict[str, Texts]] | None = None) -> Job:
    """Parse a job from its JSON value. ``packages`` parses its dependencies (default: from a table). Raises JobError."""
    if not isinstance(value, dict) or value.keys() != {one.name for one in fields(Job)}:
        raise JobError(where, "a job has other keys than a job has")
    parsed = packages or _packages
    return Job(
        cpv=checked_cpv(value["cpv"], where),
        ebuild=_texts(value["ebuild"], where),
        use=_texts(value["use"], where),
        variables=_texts(value["variables"], where),
        dependencies=parsed(value["dependencies"], where),
        toolchain=parsed(value["toolchain"], where),
        distfiles=_texts(value["distfiles"], where),
    )


def _counted(one: Job, grade: Grade) -> dict[str, Any]:
    names = _OF_GRADE[grade]

    def some(packages: Mapping[str, Texts]) -> dict[str, dict[str, str]]:
        return {package: {name: values.get(name, "") for name in names} for package, values in packages.items()}

    return {
        "ebuild": dict(one.ebuild),
        "use": dict(one.use),
        "variables": dict(one.variables),
        "dependencies": some(one.dependencies),
        "toolchain": some(one.toolchain),
        "distfiles": dict(one.distfiles),
    }


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else " ".join(f"{key}={text}" for key, text in sorted(value.items()))
        for name, value in values.items()
    }


def _plain(value: Any) -> Any:
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, Mapping) else value


def checked_cpv(value: object, where: str) -> str:
    """Check that ``value`` is a CPV and return it. Raises JobError."""
    try:
        return str(Cpv.parse(str(value)))
    except InvalidCpvError as error:
        raise JobError(where, str(error)) from error


def _listed(packages: Sequence[tuple[str, Texts]], value: object, where: str) -> dict[str, Texts]:
    """The packages of a plan at the places in ``value``."""
    if not isinstance(value, list) or not all(type(place) is int and 0 <= place < len(packages) for place in value):
        raise JobError(where, "the dependencies of a job of its plan are not in its list of packages")
    return dict(packages[place] for place in value)


def _package(value: object, where: str) -> tuple[str, Texts]:
    if not isinstance(value, list) or len(value) != 2:
        raise JobError(where, "a package of its plan is no pair")
    name, values = value
    ((checked, texts),) = _packages({str(name): values}, where).items()
    return checked, texts


def _packages(value: object, where: str) -> dict[str, Texts]:
    if not isinstance(value, dict) or len(value) > limits.DEPENDENCIES or not all(map(_SLOTTED.fullmatch, value)):
        raise JobError(where, "the dependencies of a job are no table of packages within bounds")
    return {str(name): _texts(one, where) for name, one in value.items()}


def _texts(value: object, where: str) -> Texts:
    if not isinstance(value, dict) or len(value) > limits.DEPENDENCIES:
        raise JobError(where, "a part of a job is no table within bounds")
    for name, text in value.items():
        if not isinstance(text, str) or len(name) + len(text) > builds_limits.CAPTURE_TEXT or not (name + text).isprintable():
            raise JobError(where, f"a part of a job has a value at {str(name)[:80]!r} that is no printable text within bounds")
    return {str(name): str(text) for name, text in value.items()}
