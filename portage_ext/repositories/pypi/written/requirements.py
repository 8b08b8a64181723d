"""Dependency markers are evaluated for each Python target (Linux, CPython), so each dependency is known for which it applies.

A marker that depends on another property of the machine (processor, kernel) counts as true if it can be true, and is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from portage_ext.errors.pypi import InvalidMetadataError, InvalidNameError
from portage_ext.repositories.pypi.names import normalised
from portage_ext.repositories.pypi.written.targets import minor, releases

_LINUX: Final = {
    "implementation_name": "cpython", "os_name": "posix", "platform_python_implementation": "CPython",
    "platform_system": "Linux", "sys_platform": "linux",
}  # fmt: skip
_MACHINES: Final = ("x86_64", "aarch64", "i686", "riscv64", "ppc64le")
_KERNEL: Final = ("6.12.0", "#1 SMP")


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency: ``project`` (normalised), its ``extras`` and ``specifiers``, the ``targets`` for which it applies, and the
    USE flag that enables it (the normalised extra; empty: always)."""

    project: str
    extras: frozenset[str]
    specifiers: SpecifierSet
    targets: tuple[str, ...]
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """The dependencies of a project in a stable order, and notes on what a person should check."""

    needs: tuple[Need, ...]
    notes: tuple[str, ...] = ()


def needs(requirements: Sequence[Requirement], targets: Sequence[str], extras: Iterable[str], project: str) -> Needs:
    """The dependencies of ``project`` for ``targets``, those of the normalised ``extras`` apart. Raises
    InvalidMetadataError."""
    found: dict[Need, None] = {}
    notes: dict[str, None] = {}
    unions = {extra: _together(requirements, extra, project) for extra in sorted(extras)}
    for one in requirements:
        try:
            name = normalised(one.name)
            wanted = frozenset(map(normalised, one.extras))
        except InvalidNameError as error:
            raise InvalidMetadataError(project, str(error)) from error
        always = _holding(one, targets, "", project, notes)
        by_extra = {
            extra: {target for brought in together for target in _holding(one, targets, brought, project, notes)}
            for extra, together in unions.items()
            if name != project  # such a line only brings further extras
        }
        holding = {
            "": always,
            **{extra: tuple(t for t in targets if t in some - {*always}) for extra, some in by_extra.items()},
        }
        for extra, some in holding.items():
            if some and one.url is not None:
                raise InvalidMetadataError(project, f"it needs {name} from an address of its own, which no ebuild can")
            if some:
                found[Need(name, wanted, one.specifier, some, extra)] = None
    return Needs(tuple(sorted(found, key=_order)), tuple(notes))


def _together(requirements: Sequence[Requirement], extra: str, project: str) -> frozenset[str]:
    """``extra`` with those that it brings: ``project[one,two]; extra == "all"`` is how projects write a union."""
    joined = {extra}
    environment = _environment("python3_12", _MACHINES[0], "3.12.0")
    brings = [one for one in requirements if one.marker is not None and canonicalize_name(one.name) == project]
    while True:
        more = {
            normalised(other)
            for one in brings
            if one.marker is not None and any(_true(one.marker, {**environment, "extra": by}, project) for by in joined)
            for other in one.extras
        }
        if more <= joined:
            return frozenset(joined)
        joined |= more


def _order(need: Need) -> tuple[str, str, str, tuple[str, ...]]:
    return need.extra, need.project, str(need.specifiers), need.targets


def _holding(one: Requirement, targets: Sequence[str], extra: str, project: str, notes: dict[str, None]) -> tuple[str, ...]:
    if one.marker is None:
        return tuple(targets) if not extra else ()
    holding = []
    for target in targets:
        answers = {
            _true(one.marker, {**_environment(target, machine, full), "extra": extra}, project)
            for machine in _MACHINES
            for full in releases(target)
        }
        if True in answers:
            holding.append(target)
        if len(answers) > 1:
            notes[f"whether {one.name} is needed depends on the machine or the Python release: {one.marker}"] = None
    return tuple(holding)


def _environment(target: str, machine: str, full: str) -> dict[str, str]:
    return {
        **_LINUX,
        "implementation_version": full,
        "platform_machine": machine,
        "platform_release": _KERNEL[0],
        "platform_version": _KERNEL[1],
        "python_full_version": full,
        "python_version": f"3.{minor(target)}",
    }


def _true(marker: Marker, environment: dict[str, str], project: str) -> bool:
    try:
        return marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion, RecursionError) as error:
        raise InvalidMetadataError(project, f"the condition {str(marker)[:80]!r} cannot be evaluated") from error
