"""portage-ext ebuild: an ebuild as a Gentoo developer would begin it, from what a Python index publishes; nothing of
it is run."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from portage_ext import limits
from portage_ext.cli.screen import Screen
from portage_ext.errors import SettingsError
from portage_ext.fetch.transfer import Patience
from portage_ext.host import here
from portage_ext.repositories.pypi import bumping, licences, single, targets
from portage_ext.repositories.pypi.candidate import Terms
from portage_ext.repositories.pypi.ebuild import text
from portage_ext.repositories.pypi.index import Index
from portage_ext.repositories.pypi.names import Names, parse_names, requested
from portage_ext.repositories.pypi.provided import Provided
from portage_ext.repositories.pypi.source import DEFAULT_INDEX

_LICENCE = "Distributed under the terms of the GNU General Public License v2"


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    pypi = actions.add_parser("pypi", help="make an ebuild of a project on a Python index")
    pypi.add_argument(
        "project", metavar="NAME[EXTRA]==V", help="the project; extras become USE flags (default: newest version)"
    )
    pypi.add_argument(
        "--into", type=Path, metavar="OVERLAY", help="write it there, with its Manifest; without this it is printed"
    )
    pypi.add_argument("--keywords", metavar="WORDS", default="~amd64", help="KEYWORDS (default: %(default)s)")
    pypi.add_argument("--maintainer", metavar="ADDRESS", default="", help="who maintains it (default: nobody)")
    bump = actions.add_parser("bump", help="show a newer release of a package from a Python index, or make its ebuild")
    bump.add_argument("package", metavar="CATEGORY/NAME", help="the package; its metadata.xml names the project")
    bump.add_argument(
        "--into", type=Path, metavar="OVERLAY", help="copy its ebuild to the new version there, with its Manifest"
    )
    for one in (pypi, bump):
        one.add_argument("--index", metavar="URL", default=DEFAULT_INDEX, help="the index (default: %(default)s)")
        one.add_argument("--names", type=Path, metavar="FILE", help="packages of projects whose names differ; see the manual")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0."""
    names = parse_names(_read(options.names), str(options.names)) if options.names is not None else Names()
    repositories = here.repository_locations()
    if options.action == "bump" and options.into is not None:
        repositories = {str(options.into): options.into, **repositories}
    provided = Provided(repositories, names)
    eclass = provided.text("eclass/python-utils-r1.eclass", limits.ECLASS_SIZE)
    terms = Terms(
        targets=targets.known(eclass or ""),
        licences=licences.of(provided.text("metadata/license-mapping.conf", limits.ECLASS_SIZE)),
        names=names,
        keywords=_keywords(options.keywords) if options.action == "pypi" else "",
        default_index=options.index.rstrip("/") == DEFAULT_INDEX.rstrip("/"),
        person=True,
        head=(f"Copyright {time.gmtime().tm_year} Gentoo Authors", _LICENCE),
    )
    index = Index(options.index, Patience())
    try:
        if options.action == "bump":
            _bump(options, index, terms, provided)
        else:
            _make(options, index, terms, provided)
    finally:
        index.close()
    return 0


def _make(options: argparse.Namespace, index: Index, terms: Terms, provided: Provided) -> None:
    made = single.make(index, requested(options.project, "ebuild pypi"), terms, provided)
    if options.into is None:
        sys.stdout.write(text(made.draft))
        return
    screen = Screen()
    for path in single.put(made, options.into, options.maintainer):
        screen.line(f"wrote {path}")
    for note in made.draft.notes:
        screen.text(note, first="to look at: ", indent="  ")


def _bump(options: argparse.Namespace, index: Index, terms: Terms, provided: Provided) -> None:
    screen = Screen()
    found = bumping.bump(options.package, index, terms, provided)
    if found is None:
        screen.line(f"{options.package} has the newest release")
        return
    screen.line(f"{found.package} {found.old}: there is {found.new}", "bold")
    for line in found.differences or ("nothing that an ebuild depends on has changed",):
        screen.line(f"  {line}")
    if options.into is not None:
        for path in bumping.put(found, options.into):
            screen.line(f"wrote {path}")


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(limits.CONFIG_FILE_SIZE)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), str(error)) from error


def _keywords(words: str) -> str:
    if not all(word.lstrip("~-").replace("-", "").isalnum() and word.isascii() for word in words.split()):
        raise SettingsError("--keywords", f"{words!r} are no keywords")
    return " ".join(words.split())
