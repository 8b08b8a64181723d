"""A licence is translated to Gentoo's name with metadata/license-mapping.conf of the ebuild repository, or else a short list.

The metadata of the project is read in this order: License-Expression (SPDX), License if it is an SPDX expression or a common
name, classifiers. A licence without a name in Gentoo is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from portage_ext.errors.pypi import UnknownLicenceError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi.published.metadata import CoreMetadata

BUILT_IN: Final[Mapping[str, str]] = {
    "0bsd": "0BSD", "agpl-3.0-only": "AGPL-3", "agpl-3.0-or-later": "AGPL-3+", "apache-2.0": "Apache-2.0",
    "apache-2.0 with llvm-exception": "Apache-2.0-with-LLVM-exceptions", "artistic-2.0": "Artistic-2", "bsd-2-clause": "BSD-2",
    "bsd-3-clause": "BSD", "bsd-4-clause": "BSD-4", "bsl-1.0": "Boost-1.0", "cc0-1.0": "CC0-1.0", "epl-2.0": "EPL-2.0",
    "gpl-2.0-only": "GPL-2", "gpl-2.0-or-later": "GPL-2+", "gpl-3.0-only": "GPL-3", "gpl-3.0-or-later": "GPL-3+",
    "hpnd": "HPND",
    "isc": "ISC", "lgpl-2.1-only": "LGPL-2.1", "lgpl-2.1-or-later": "LGPL-2.1+", "lgpl-3.0-only": "LGPL-3",
    "lgpl-3.0-or-later": "LGPL-3+", "mit": "MIT", "mit-0": "MIT-0", "mpl-2.0": "MPL-2.0", "psf-2.0": "PSF-2",
    "python-2.0": "PYTHON", "unlicense": "Unlicense", "zlib": "ZLIB", "zpl-2.1": "ZPL",
}  # fmt: skip
"""Gentoo's names by SPDX name in lower case, for a system without license-mapping.conf."""
_CLASSIFIERS: Final[Mapping[str, str]] = {
    "Apache Software License": "apache-2.0", "BSD License": "bsd-3-clause", "Boost Software License 1.0 (BSL-1.0)": "bsl-1.0",
    "GNU Affero General Public License v3": "agpl-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "agpl-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "gpl-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "gpl-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "gpl-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "gpl-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "lgpl-2.1-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "lgpl-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "lgpl-3.0-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "hpnd", "ISC License (ISCL)": "isc", "MIT License": "mit",
    "MIT No Attribution License (MIT-0)": "mit-0", "Mozilla Public License 2.0 (MPL 2.0)": "mpl-2.0",
    "Python Software Foundation License": "psf-2.0", "The Unlicense (Unlicense)": "unlicense",
    "Zope Public License": "zpl-2.1", "zlib/libpng License": "zlib", "Zero-Clause BSD (0BSD)": "0bsd",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "cc0-1.0", "Eclipse Public License 2.0 (EPL-2.0)": "epl-2.0",
}  # fmt: skip
"""SPDX names by the last part of a classifier ``License :: …``."""
_COMMON: Final[Mapping[str, str]] = {
    "2-clause bsd": "bsd-2-clause", "3-clause bsd": "bsd-3-clause", "apache": "apache-2.0", "apache 2": "apache-2.0",
    "apache 2.0": "apache-2.0", "apache license 2.0": "apache-2.0", "apache license, version 2.0": "apache-2.0",
    "apache license version 2.0": "apache-2.0", "apache software license": "apache-2.0",
    "apache software license 2.0": "apache-2.0",
    "bsd": "bsd-3-clause", "bsd 2-clause": "bsd-2-clause", "bsd 3-clause": "bsd-3-clause", "bsd license": "bsd-3-clause",
    "bsd-2": "bsd-2-clause", "bsd-3": "bsd-3-clause", "bsd 3-clause license": "bsd-3-clause",
    "bsd-3-clause license": "bsd-3-clause",
    "bsd 2-clause license": "bsd-2-clause", "gplv2": "gpl-2.0-only", "gplv2+": "gpl-2.0-or-later", "gplv3": "gpl-3.0-only",
    "gplv3+": "gpl-3.0-or-later", "isc license": "isc", "lgplv3": "lgpl-3.0-only", "lgplv3+": "lgpl-3.0-or-later",
    "mit license": "mit", "the mit license": "mit", "mpl 2.0": "mpl-2.0", "mozilla public license 2.0": "mpl-2.0",
    "psf": "psf-2.0",
    "psf license": "psf-2.0", "the unlicense": "unlicense", "the unlicense (unlicense)": "unlicense", "zpl 2.1": "zpl-2.1",
}  # fmt: skip
"""SPDX names by common texts of License, in lower case."""
_VAGUE: Final = frozenset(
    {"bsd", "bsd license", "apache", "BSD License", "GNU Lesser General Public License v2 or later (LGPLv2+)"}
)
"""Ambiguous names of licences. The most common licence is used, and a note tells a person to check it."""
_MAPPING_LINE: Final = re.compile(r"([A-Za-z0-9.+-]{1,64}(?: WITH [A-Za-z0-9.-]{1,64})?) = ([A-Za-z0-9_+.() |-]{1,200})")
_TOKEN: Final = re.compile(r"\(|\)|\b(?:AND|OR)\b|[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.-]+)?")


@dataclass(frozen=True, slots=True)
class Licence:
    """The value of LICENSE, and a note on what a person should check (may be empty)."""

    words: str
    note: str = ""


def parse_mapping(text: str) -> dict[str, str]:
    """Parse section [spdx-to-ebuild] of license-mapping.conf: Gentoo's names by SPDX name in lower case. Other lines are
    ignored."""
    section, found = "", {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[spdx-to-ebuild]" and (match := _MAPPING_LINE.fullmatch(line)):
            found[match[1].lower()] = match[2]
    return found


def of(mapping: str | None) -> Mapping[str, str]:
    """The mapping in the text of license-mapping.conf, or the short list if there is none."""
    return (parse_mapping(mapping) if mapping is not None else {}) or BUILT_IN


def licence(metadata: CoreMetadata, mapping: Mapping[str, str]) -> Licence:
    """LICENSE for a project. Raises UnknownLicenceError."""
    project = metadata.name
    if metadata.expression:
        return Licence(_expression(metadata.expression, mapping, project))
    text = metadata.licence.strip()
    if len(text) <= limits.PYPI_NAME:
        if (spdx := _COMMON.get(text.lower())) is not None and text.lower() not in _VAGUE:
            return Licence(_one(spdx, mapping, project))
        try:
            return Licence(_expression(text, mapping, project))
        except UnknownLicenceError:
            pass
    found = dict.fromkeys(_classified(metadata, mapping))
    if not found and (spdx := _COMMON.get(text.lower())) is not None:
        return Licence(_one(spdx, mapping, project), f"the project says only {text!r}; read its licence")
    if not found:
        raise UnknownLicenceError(project, text.splitlines()[0] if text else "")
    vague = [ending for ending in map(_ending, metadata.classifiers) if ending in _VAGUE]
    note = "several licences are named; whether all or any of them hold is not said" if len(found) > 1 else ""
    return Licence(" ".join(found), note or (f"the project says only {vague[0]!r}; read its licence" if vague else ""))


def _ending(classifier: str) -> str:
    return classifier.rpartition(" :: ")[2] if classifier.startswith("License :: ") else ""


def _classified(metadata: CoreMetadata, mapping: Mapping[str, str]) -> Iterator[str]:
    for ending in map(_ending, metadata.classifiers):
        if ending and ending != "OSI Approved":
            if ending == "Public Domain":
                yield "public-domain"  # which SPDX has no name for
                continue
            if (spdx := _CLASSIFIERS.get(ending)) is None:
                raise UnknownLicenceError(metadata.name, ending)
            yield _one(spdx, mapping, metadata.name)


def _one(spdx: str, mapping: Mapping[str, str], project: str) -> str:
    """Gentoo's name for one SPDX licence, with or without an exception."""
    key = spdx.lower()
    # "The + operator prefers the exact match but falls back to the one without" (license-mapping.conf).
    words = mapping.get(key) or mapping.get(key.replace("+", "", 1) if "+" in key else key)
    if words is None:
        raise UnknownLicenceError(project, spdx)
    return words


def _expression(text: str, mapping: Mapping[str, str], project: str) -> str:
    """An SPDX expression in the syntax of LICENSE. Raises UnknownLicenceError."""
    if not text or len(text) > limits.PYPI_REQUIREMENT:
        raise UnknownLicenceError(project, text[:80])
    try:
        tokens = _TOKEN.findall(canonicalize_license_expression(text))
    except (InvalidLicenseExpression, RecursionError) as error:
        raise UnknownLicenceError(project, text) from error
    if tokens.count("(") > 32:
        raise UnknownLicenceError(project, text)
    words = _either(tokens, mapping, project)
    return words[0] if len(words) == 1 else f"|| ( {' '.join(words)} )"


def _either(tokens: list[str], mapping: Mapping[str, str], project: str) -> list[str]:
    """Parse the alternatives at the start of ``tokens`` up to a closing parenthesis, and remove them from the list. AND has
    precedence over OR."""
    alternatives: list[list[str]] = [[]]
    while tokens:
        token = tokens.pop(0)
        if token == ")":
            break
        if token == "(":
            inner = _either(tokens, mapping, project)
            alternatives[-1].append(inner[0] if len(inner) == 1 else f"|| ( {' '.join(inner)} )")
        elif token == "OR":
            alternatives.append([])
        elif token != "AND":
            alternatives[-1].append(_one(token, mapping, project))
    several = len(alternatives) > 1
    groups = [" ".join(dict.fromkeys(group)) for group in alternatives]
    return list(
        dict.fromkeys(
            f"( {group} )" if several and " " in group and not group.startswith("|| (") else group for group in groups
        )
    )
