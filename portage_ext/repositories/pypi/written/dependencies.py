"""Dependencies become lines of RDEPEND or BDEPEND: one atom per line, inside conditions for Python versions and USE flags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from portage_ext.errors.pypi import DependencyError
from portage_ext.repositories.pypi.written.requirements import Need
from portage_ext.repositories.pypi.written.targets import minor
from portage_ext.repositories.pypi.written.versions import atoms, satisfied

USEDEP = "${PYTHON_USEDEP}"


@dataclass(frozen=True, slots=True)
class Provider:
    """The package of a project. ``versions`` are the PVRs of its ebuilds (empty: unknown), ``repository`` is where it is,
    ``flags`` are the USE flags of its extras, and ``python`` is True if it is built for selected Pythons (PYTHON_USEDEP)."""

    package: str
    versions: tuple[str, ...] = ()
    repository: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)
    python: bool = True


Resolve = Callable[[str], Provider]
"""A function that returns the provider of a normalised project; it raises ProjectError."""


def lines(needs: Iterable[Need], targets: Sequence[str], resolve: Resolve) -> tuple[str, ...]:
    """The lines between the quotes, each indented by a tab. Raises DependencyError, ProjectError."""
    always: dict[str, None] = {}
    conditional: dict[tuple[str, ...], dict[str, None]] = {}
    flagged: dict[str, list[Need]] = {}
    for need in needs:
        if need.extra:
            flagged.setdefault(need.extra, []).append(need)
        elif need.targets == tuple(targets):
            always.update(dict.fromkeys(_atoms(need, resolve)))
        else:
            conditional.setdefault(need.targets, {}).update(dict.fromkeys(_atoms(need, resolve)))
    found = sorted(always, key=_by_package)
    for some, inner in sorted(conditional.items()):
        patterns = " ".join(f"3.{minor(one)}" for one in some)
        found += ["$(python_gen_cond_dep '", *(f"\t{one}" for one in sorted(inner, key=_by_package)), f"' {patterns})"]
    for flag, group in sorted(flagged.items()):
        plain = [Need(one.project, one.extras, one.specifiers, one.targets) for one in group]
        found += [f"{flag}? (", *lines(plain, targets, resolve), ")"]
    return tuple(f"\t{one}" for one in found)


def _by_package(atom: str) -> tuple[str, str]:
    return atom.lstrip("!~<>=").partition("[")[0], atom


def _atoms(need: Need, resolve: Resolve) -> tuple[str, ...]:
    provider = resolve(need.project)
    flags = []
    for extra in sorted(need.extras):
        if extra not in provider.flags:
            raise DependencyError(
                need.project,
                f"the extra {extra} of {need.project}, and nothing says what {provider.package} calls that; "
                f"write a line into the file `names`: {need.project}[{extra}] {provider.package}[FLAG]",
            )
        flags.append(provider.flags[extra])
    if provider.versions and not satisfied(need.specifiers, provider.versions):
        have = ", ".join(provider.versions[-3:])
        raise DependencyError(
            need.project, f"{need.project} {need.specifiers}, and {provider.repository or 'the repository'} has only {have}"
        )
    words = [one for one in (*flags, USEDEP if provider.python else "") if one]
    return atoms(need.specifiers, provider.package, f"[{','.join(words)}]" if words else "", provider.versions)
