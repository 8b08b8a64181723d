"""The output of a build is untrusted: it is accepted only if it is exactly the package that the job describes, and nothing
else.

Ebuilds ran in the environment, so its output could be anything. It must be one regular file within the size limit, and a gpkg
with valid structure and digests and with the identity, USE flags and compiler flags of the job. The sub-slots with which it was
built must be those of the job's dependencies. It must not be signed, because results are signed here after this check.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portage_ext.builds.key import Job
from portage_ext.errors import PackageError
from portage_ext.errors.builds import RefusedResultError
from portage_ext.gpkg import describe
from portage_ext.gpkg.identity import identity_of
from portage_ext.limits import builds as limits
from portage_ext.model import GPKG_SUFFIX, Cpv

_VARIABLES: Final = ("CHOST", "CFLAGS", "CXXFLAGS", "LDFLAGS")
_DEPENDENCIES: Final = ("BDEPEND", "DEPEND", "IDEPEND", "PDEPEND", "RDEPEND")
_BUILT_WITH: Final = re.compile(r"[<>=~]*([\w+.-]+/[\w+.-]+):([\w+.-]+)/([\w+.-]+)=(?:\[.*)?", re.ASCII)
"""A dependency with the slot and sub-slot that it had when the package was built (PMS 8.3.3; Portage fills in ``:=``)."""
_IGNORED: Final = ("Packages", "Packages.gz", ".portage_lockfile")
"""Files that emerge creates in a PKGDIR beside packages. They are ignored."""


def accepted(directory: Path, job: Job) -> Path:
    """Find and check the package of ``job`` in the output of a build. Raises RefusedResultError, OSError."""
    path = _only_file(directory, job)
    try:
        found = describe.describe(path)
        identity = identity_of(str(path), found.values)
        stray = "" if found.damage else describe.stray(path)
    except PackageError as error:
        raise RefusedResultError(job.cpv, error.reason) from error
    if found.damage:
        raise RefusedResultError(job.cpv, found.damage)
    if found.signed:
        raise RefusedResultError(job.cpv, "it is signed already, and no build has a key")
    if stray:
        raise RefusedResultError(job.cpv, f"its image has {stray!r}, which leads out of it")
    _same(job, "CPV", str(identity.cpv), job.cpv)
    _same(
        job, "SLOT", identity.slot if "/" in identity.slot else f"{identity.slot}/{identity.slot}", job.ebuild.get("slot", "")
    )
    _same(job, "repository", identity.repository or "", job.ebuild.get("repository", ""))
    _same(job, "EAPI", found.values.get("EAPI", ""), job.ebuild.get("EAPI", ""))
    iuse = {flag.lstrip("+-") for flag in found.values.get("IUSE", "").split()}
    used = set(found.values.get("USE", "").split())
    for flag in sorted(iuse):
        _same(job, f"USE flag {flag}", "on" if flag in used else "off", job.use.get(flag, "off"))
    for name in _VARIABLES:
        if name in found.values:
            _same(job, name, found.values[name], job.variables.get(name, ""))
    _check_sub_slots(job, found.values)
    return path


def _check_sub_slots(job: Job, values: Mapping[str, str]) -> None:
    for word in " ".join(values.get(name, "") for name in _DEPENDENCIES).split():
        if match := _BUILT_WITH.fullmatch(word):
            name, slot, sub_slot = match.groups()
            if word[0] in "<>=~":
                name = Cpv.parse(name).cp
            if its := job.dependencies.get(f"{name}:{slot}"):
                of_job = its["slot"] if "/" in its["slot"] else f"{its['slot']}/{its['slot']}"
                _same(job, f"dependency {name}", f"{slot}/{sub_slot}", of_job)


def _same(job: Job, what: str, found: str, wanted: str) -> None:
    if " ".join(found.split()) != " ".join(wanted.split()):
        raise RefusedResultError(job.cpv, f"its {what} is {found!r}, and {wanted!r} was to be built")


def _only_file(directory: Path, job: Job) -> Path:
    """The only package below ``directory``. Links, devices and all other files are refused."""
    cpv = Cpv.parse(job.cpv)
    found: list[Path] = []
    for top, directories, names in os.walk(directory):
        for name in (*directories, *names):
            path = Path(top, name)
            mode = path.lstat()
            if stat.S_ISDIR(mode.st_mode) or (top == str(directory) and name in _IGNORED):
                continue
            if not stat.S_ISREG(mode.st_mode) or mode.st_nlink != 1:
                raise RefusedResultError(job.cpv, f"{name} is no regular file of its own")
            if not name.endswith(GPKG_SUFFIX):
                raise RefusedResultError(job.cpv, f"{name} is beside it, which no build makes")
            if mode.st_size > limits.BUILD_RESULT:
                raise RefusedResultError(job.cpv, f"{name} is larger than {limits.BUILD_RESULT} bytes")
            found.append(path)
            if len(found) > 1:
                raise RefusedResultError(job.cpv, f"there are several packages: {found[0].name} and {name}")
    if not found:
        raise RefusedResultError(job.cpv, "there is no package")
    if found[0].parent != directory / cpv.category / cpv.pn and found[0].parent != directory / cpv.category:
        raise RefusedResultError(job.cpv, f"{found[0].name} is not where emerge puts {job.cpv}")
    return found[0]
