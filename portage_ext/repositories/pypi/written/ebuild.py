"""The text of an ebuild and its metadata.xml is written in the order and form that Gentoo developers use.

Every text from the index is quoted with ``quoting``, which also checks the complete ebuild at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from portage_ext.repositories.pypi.published.metadata import CoreMetadata
from portage_ext.repositories.pypi.written import quoting, targets
from portage_ext.repositories.pypi.written.source import PROJECT_PAGE, Source

_GITHUB: Final = re.compile(r"https?://(?:www\.)?github\.com/([A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}?)(?:\.git)?(?:[/#?].*)?")
_LABELS: Final = ("source", "source code", "repository", "code", "github", "homepage", "home")
"""Labels of project URLs in the order of preference for HOMEPAGE."""


@dataclass(frozen=True, slots=True)
class Draft:
    """All values of an ebuild. Texts of the project are still unquoted."""

    package: str
    pv: str
    metadata: CoreMetadata
    source: Source
    backend: str
    native: bool
    python: tuple[str, ...]
    licence: str
    keywords: str
    flags: tuple[str, ...]
    rdepend: tuple[str, ...]
    depend: tuple[str, ...]
    bdepend: tuple[str, ...]
    notes: tuple[str, ...]
    head: tuple[str, ...]
    """The comment lines at the start of the ebuild."""

    @property
    def path(self) -> str:
        """The path of the ebuild in a repository."""
        return f"{self.package}/{self.package.partition('/')[2]}-{self.pv}.ebuild"


def text(draft: Draft) -> str:
    """The text of the ebuild."""
    lines = [f"# {quoting.comment(one)}" for one in draft.head]
    lines += ["", "EAPI=8", ""]
    lines += ["DISTUTILS_EXT=1"] if draft.native else []
    lines += [f"DISTUTILS_USE_PEP517={draft.backend}", *draft.source.before, f"PYTHON_COMPAT=( {targets.words(draft.python)} )"]
    lines += ["", f"inherit {draft.source.eclasses}", ""]
    lines.append(f'DESCRIPTION="{quoting.description(draft.metadata.summary, draft.metadata.name)}"')
    pages = homepages(draft)
    lines += [f'HOMEPAGE="{pages[0]}"'] if len(pages) == 1 else ['HOMEPAGE="', *(f"\t{one}" for one in pages), '"']
    lines += [*draft.source.after, ""]
    lines += [f'LICENSE="{draft.licence}"', 'SLOT="0"', f'KEYWORDS="{draft.keywords}"']
    lines += [f'IUSE="{" ".join(draft.flags)}"'] if draft.flags else []
    lines += ["# What the tests need does not stand in the metadata of a release.", 'RESTRICT="test"']
    # RDEPEND before BDEPEND, as the ebuilds of ::gentoo have it; DEPEND is of native code alone.
    for name, inner in (("DEPEND", draft.depend), ("RDEPEND", draft.rdepend), ("BDEPEND", draft.bdepend)):
        if inner:
            lines += ["", f'{name}="', *inner, '"']
    if draft.notes:
        lines += ["", "# To look at before this is used:", *(f"# - {quoting.comment(one)}" for one in draft.notes)]
    return quoting.held("\n".join(lines) + "\n")


def homepages(draft: Draft) -> list[str]:
    """At most three URLs: of the source code, of the project, and of its page on PyPI."""
    ranked = sorted(
        (url for label, text in draft.metadata.urls if label.lower() in _LABELS and (url := quoting.url(text)) is not None),
        key=lambda url: _rank(draft.metadata.urls, url),
    )
    found = list(dict.fromkeys(ranked))[:2]
    if draft.source.eclasses.endswith(" pypi") or not found:
        found.append(PROJECT_PAGE.format(draft.metadata.name))
    return found


def _rank(urls: Iterable[tuple[str, str]], wanted: str) -> int:
    return min(_LABELS.index(label.lower()) for label, url in urls if url.strip() == wanted and label.lower() in _LABELS)


def package_xml(draft: Draft, maintainer: str) -> str:
    """The text of metadata.xml. ``maintainer`` is an e-mail address, or empty for a package without a maintainer."""
    who = (
        f'\t<maintainer type="person">\n\t\t<email>{quoting.xml(maintainer)}</email>\n\t</maintainer>'
        if maintainer
        else "\t<!-- maintainer-needed -->"
    )
    remotes = [f'\t\t<remote-id type="pypi">{quoting.xml(draft.metadata.name)}</remote-id>']
    github = next((match[1] for _, url in draft.metadata.urls if (match := _GITHUB.fullmatch(url.strip()))), None)
    if github is not None:
        remotes.append(f'\t\t<remote-id type="github">{quoting.xml(github)}</remote-id>')
    flags = [f'\t\t<flag name="{one}">Install what the extra {one} of the project needs</flag>' for one in draft.flags]
    use = ["\t<use>", *flags, "\t</use>"] if flags else []
    return "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<!DOCTYPE pkgmetadata SYSTEM "https://www.gentoo.org/dtd/metadata.dtd">',
            "<pkgmetadata>",
            who,
            *use,
            "\t<upstream>",
            *remotes,
            "\t</upstream>",
            "</pkgmetadata>",
            "",
        )
    )


def manifest(distfiles: Sequence[tuple[str, int, str, str]]) -> str:
    """A thin Manifest (GLEP 74) of (name, size, BLAKE2B, SHA512), sorted by name as `ebuild manifest` writes it."""
    return "".join(
        f"DIST {name} {size} BLAKE2B {blake2b} SHA512 {sha512}\n" for name, size, blake2b, sha512 in sorted(distfiles)
    )
