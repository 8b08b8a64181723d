"""Mistakes in package.env that concern getbinpkg, each as one line with file and line number.

Portage reports some of them too, but without the line number and only when it reads the package's entry. Without these
messages, administrators would notice a whitelist that does nothing only when the package is already being compiled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from portage.dep import Atom
from portage.exception import InvalidAtom

from portage_ext.config.package_env import PackageEnvEntry, read_package_env
from portage_ext.emerge.relevance import FROM
from portage_ext.emerge.whitelist import Whitelist
from portage_ext.limits import CONFIG_FILE_SIZE

_FROM_LINE = re.compile(rf"^\s*(?:export\s+)?{FROM}=")


def entries(whitelist: Whitelist) -> list[PackageEnvEntry]:
    """The entries of package.env of this configuration, with file and line. Raises OSError."""
    return read_package_env(whitelist.config_directory / "package.env")


def in_package_env(whitelist: Whitelist) -> Iterator[str]:
    """Env files that are missing or do not parse, and atoms that do not parse. Raises OSError."""
    known = {str(atom) for atoms in whitelist.settings._penvdict.values() for atom in atoms} | {"*/*"}
    for entry in entries(whitelist):
        for name in entry.env_files:
            file = whitelist.env_directory / name
            if whitelist.concerns(name) is None:
                reason = "cannot be read" if file.exists() else "does not exist"
                yield f"{entry.where}: {file} {reason}; this line does nothing for {entry.atom}"
        if entry.atom not in known and not _is_atom(entry.atom) and any(map(whitelist.concerns, entry.env_files)):
            yield f"{entry.where}: '{entry.atom}' is not a package atom; this line does nothing"
        whitelist.rule_of(entry.env_files)
        for name in entry.env_files:
            if name in whitelist.unparsable:
                why = f"{whitelist.env_directory / name} does not parse ({whitelist.unparsable[name]})"
                yield f"{entry.where}: {why}; this line does nothing for {entry.atom}"


def in_binrepos(whitelist: Whitelist, known: Collection[str]) -> Iterator[str]:
    """Binhosts that GETBINPKG_FROM names and binrepos.conf does not have. Raises OSError."""
    said = set()
    for entry in entries(whitelist):
        for name in entry.env_files:
            for binrepo in sorted((whitelist.rule_of((name,)).binrepos or frozenset()) - frozenset(known)):
                if (name, binrepo) not in said:
                    said.add((name, binrepo))
                    place = _place(whitelist.env_directory / name)
                    yield (
                        f"{place}: {FROM} names '{binrepo}', which binrepos.conf does not have (it has: "
                        f"{', '.join(sorted(known)) or 'none'}); no package is taken from it ({entry.where})"
                    )


def _place(file: Path) -> str:
    with open(file, "rb") as opened:
        lines = opened.read(CONFIG_FILE_SIZE).decode("utf-8", "replace").split("\n")
    number = next((number for number, line in enumerate(lines, 1) if _FROM_LINE.match(line)), 1)
    return f"{file}:{number}"


def _is_atom(text: str) -> bool:
    try:
        Atom(text, allow_wildcard=True, allow_repo=True, allow_build_id=True)
    except InvalidAtom:
        return False
    return True
