"""After src_install, write what decided this build into the package: ebuild, commit, eclasses, distfiles, dependencies.

The host name is written beside that record, not into it, so that two builds with the same inputs have the same record.

Started by ``bashrc.d/20-record-inputs.bash`` if PORTAGE_EXT_PROVENANCE is "on", in make.conf or package.env. Digests of
distfiles are those of the Manifest, by which Portage verified them. What cannot be found is left out; a build never fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import InvalidCpvError
from portage_ext.files import replace_file
from portage_ext.hooks.phase import Phase, phase_of
from portage_ext.model.cpv import Cpv
from portage_ext.model.provenance import HOST, JOB, KEY, Record
from portage_ext.unattended.heads import head

ECLASSES: Final = "PORTAGE_EXT_ECLASSES"
"""PORTAGE_ECLASS_LOCATIONS, quoted for a shell."""
_VARIABLES: Final = ("CHOST", "CBUILD", "CFLAGS", "CXXFLAGS", "LDFLAGS", "USE")
_DIGESTS: Final = ("BLAKE2B", "SHA512")
_COMMIT: Final = re.compile(r"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")
_OPERATOR: Final = re.compile(r"!*(?:[<>]=?|=|~)?")


def record(phase: Phase, variables: Mapping[str, str]) -> None:
    """Write the record beside the metadata of the package. Raises OSError, KeyError."""
    ebuild = Path(variables["EBUILD"])
    repository = ebuild.parents[2]
    made = Record(
        cpv=phase.name,
        repository=_text(phase.build_info / "repository"),
        commit=commit(repository),
        job=variables.get(JOB, ""),
        ebuild={"blake2b": _digest(ebuild)},
        variables={name: " ".join(variables[name].split()) for name in _VARIABLES if variables.get(name)},
        eclasses=dict(_eclasses(phase, variables)),
        distfiles=_distfiles(ebuild.parent / "Manifest", variables.get("A", "").split()),
        dependencies=dict(_dependencies(phase, variables)),
    )
    text = made.emit()
    if len(text) <= limits.PROVENANCE_LINE:
        replace_file(phase.build_info / KEY, f"{text}\n".encode())
        replace_file(phase.build_info / HOST, f"{os.uname().nodename}\n".encode())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.blake2b(file.read(limits.CONFIG_FILE_SIZE)).hexdigest()


def _text(path: Path) -> str:
    """The first words of a small file; empty if it is not there."""
    try:
        with path.open("rb") as file:
            return " ".join(file.read(limits.METADATA_VALUE).decode("utf-8", "replace").split())
    except OSError:
        return ""


def commit(repository: Path) -> str:
    """The commit that is checked out; of a tree synced by rsync the commit that it was made from. Empty if unknown."""
    found = _COMMIT.search(head(repository))
    return found[0] if found else ""


def _lines(path: Path) -> Iterator[str]:
    with contextlib.suppress(OSError), path.open("rb") as file:
        yield from file.read(limits.CONFIG_FILE_SIZE).decode("utf-8", "replace").splitlines()


def _eclasses(phase: Phase, variables: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each inherited eclass, from the repository that Portage takes it from: the first one that has it."""
    places = [Path(one) / "eclass" for one in shlex.split(variables.get(ECLASSES, ""))]
    for name in _text(phase.build_info / "INHERITED").split():
        for place in places:
            with contextlib.suppress(OSError):
                yield name, {"blake2b": _digest(place / f"{name}.eclass")}
                break


def _distfiles(manifest: Path, wanted: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in _lines(manifest):
        words = line.split()
        if len(words) > 3 and words[0] == "DIST" and words[1] in wanted:
            pairs = zip(words[3::2], words[4::2], strict=False)
            found[words[1]] = {name.lower(): value.lower() for name, value in pairs if name in _DIGESTS}
    return found


def _dependencies(phase: Phase, variables: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The installed packages that DEPEND and BDEPEND name with this USE, each version and slot of them."""
    use = frozenset(variables.get("USE", "").split())
    own = variables.get("EROOT") or variables.get("ROOT") or "/"
    for key, root in (("DEPEND", variables.get("ESYSROOT") or own), ("BDEPEND", variables.get("BROOT") or own)):
        database = Path(root or "/") / "var/db/pkg"
        for cp in dict.fromkeys(named(_text(phase.build_info / key), use)):
            category, _, name = cp.partition("/")
            with contextlib.suppress(OSError):
                for directory in sorted((database / category).glob(f"{name}-*")):
                    if _is(directory, cp):
                        values = {"slot": _text(directory / "SLOT"), "build_id": _text(directory / "BUILD_ID")}
                        yield f"{category}/{directory.name}", {name: text for name, text in values.items() if text}


def _is(directory: Path, cp: str) -> bool:
    try:
        return Cpv.parse(f"{directory.parent.name}/{directory.name}").cp == cp
    except InvalidCpvError:
        return False


def named(text: str, use: frozenset[str]) -> Iterator[str]:
    """The packages (``category/name``) that a dependency names; no blockers, and no conditionals that ``use`` does not meet."""
    groups: list[bool] = [True]
    following = True
    for word in text.split():
        if word == "(":
            groups.append(groups[-1] and following)
            following = True
        elif word == ")":
            if len(groups) > 1:
                groups.pop()
        elif word.endswith("?"):
            flag = word[:-1]
            following = (flag[1:] not in use) if flag.startswith("!") else flag in use
        elif "/" in word and not word.startswith("!") and groups[-1]:
            operator = _OPERATOR.match(word)
            atom = re.split(r"[:\[]", word[operator.end() if operator else 0 :])[0]
            if operator and operator[0]:
                with contextlib.suppress(InvalidCpvError):
                    yield Cpv.parse(atom.removesuffix("*")).cp
            else:
                yield atom


def main() -> int:
    record(phase_of(os.environ), os.environ)
    return 0


if __name__ == "__main__":
    sys.exit(main())
