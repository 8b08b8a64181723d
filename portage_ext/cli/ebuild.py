"""portage-ext ebuild: an ebuild as a Gentoo developer would begin it, from what a Python index publishes or as a copy of the
one before; nothing of the project is run."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from portage_ext import limits, shown
from portage_ext.cli.screen import Screen
from portage_ext.errors import SettingsError, UsageError
from portage_ext.errors.pypi import OverlayError, ProjectError
from portage_ext.errors.repositories import RepositoryError
from portage_ext.errors.trust import MirrorError
from portage_ext.fetch.transfer import Patience
from portage_ext.host import here
from portage_ext.limits import repositories as bounds
from portage_ext.repositories.bump import building, checker, copying
from portage_ext.repositories.bump.checker import Checked
from portage_ext.repositories.pypi import bumping, single
from portage_ext.repositories.pypi.candidate import Terms
from portage_ext.repositories.pypi.index import Index
from portage_ext.repositories.pypi.names import Names, parse_names, requested
from portage_ext.repositories.pypi.provided import Provided
from portage_ext.repositories.pypi.written import licences, targets
from portage_ext.repositories.pypi.written.ebuild import text
from portage_ext.repositories.pypi.written.source import DEFAULT_INDEX

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
    bump = actions.add_parser("bump", help="show newer releases of packages, or make their ebuilds as copies of the newest")
    bump.add_argument(
        "packages",
        nargs="*",
        metavar="CATEGORY/NAME",
        help="a package in nvchecker's configuration, or from PyPI by its metadata.xml",
    )
    bump.add_argument("--listed", action="store_true", help="all packages in nvchecker's configuration")
    bump.add_argument(
        "--nvchecker", type=Path, metavar="FILE", help="that configuration (default: /etc/overlayman/nvchecker.toml)"
    )
    bump.add_argument(
        "--into", type=Path, metavar="OVERLAY", help="copy the ebuild to the new version there, with its Manifest"
    )
    bump.add_argument("--build", action="store_true", help="build the copy once, isolated; nothing is copied if that fails")
    for one in (pypi, bump):
        one.add_argument("--index", metavar="URL", default=DEFAULT_INDEX, help="the index (default: %(default)s)")
        one.add_argument("--names", type=Path, metavar="FILE", help="packages of projects whose names differ; see the manual")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when a package of several cannot be bumped."""
    if options.action == "bump":
        return _bump(options)
    names = _names(options)
    provided = Provided(here.repository_locations(), names)
    index = Index(options.index, Patience())
    try:
        _make(options, index, _terms(options, provided, names, _keywords(options.keywords)), provided)
    finally:
        index.close()
    return 0


def _names(options: argparse.Namespace) -> Names:
    return parse_names(_read(options.names), str(options.names)) if options.names is not None else Names()


def _terms(options: argparse.Namespace, provided: Provided, names: Names, keywords: str) -> Terms:
    eclass = provided.text("eclass/python-utils-r1.eclass", bounds.ECLASS_SIZE)
    return Terms(
        targets=targets.known(eclass or ""),
        licences=licences.of(provided.text("metadata/license-mapping.conf", bounds.ECLASS_SIZE)),
        names=names,
        keywords=keywords,
        default_index=options.index.rstrip("/") == DEFAULT_INDEX.rstrip("/"),
        person=True,
        head=(f"Copyright {time.gmtime().tm_year} Gentoo Authors", _LICENCE),
    )


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


def _bump(options: argparse.Namespace) -> int:
    names = _names(options)
    configuration = options.nvchecker or here.here().config_root / checker.CONFIGURATION
    entries = checker.packages(configuration)
    if bool(options.packages) == options.listed:
        raise UsageError("name packages, or pass --listed for all in nvchecker's configuration")
    if options.build and options.into is None:
        raise UsageError("--build builds the copy: name an overlay for it with --into")
    if options.listed and not entries:
        raise SettingsError(str(configuration), "it lists no package")
    repositories = here.repository_locations()
    if options.into is not None:
        repositories = {str(options.into): options.into, **repositories}
    provided = Provided(repositories, names)
    packages = entries if options.listed else options.packages
    checked = _checked(configuration, [one for one in packages if one in entries])
    failed = False
    for package in packages:
        try:
            if package in entries:
                _released(package, checked, provided, options)
            else:
                _on_pypi(package, options, names, provided)
        except (OverlayError, ProjectError, RepositoryError, MirrorError) as error:
            if not options.listed and len(packages) == 1:
                raise
            print(f"portage-ext ebuild: {shown.text(str(error))}", file=sys.stderr)
            failed = True
    return int(failed)


def _checked(configuration: Path, packages: Sequence[str]) -> Checked:
    """One run of nvchecker, for one package or for all entries."""
    if not packages:
        return Checked()
    return checker.checked(configuration, packages[0] if len(packages) == 1 else None)


def _released(package: str, checked: Checked, provided: Provided, options: argparse.Namespace) -> None:
    """A package with an entry in nvchecker's configuration."""
    screen = Screen()
    if (version := checked.found.get(package)) is None:
        why = checked.failed.get(package, "it says nothing of this package")
        raise RepositoryError(package, f"nvchecker finds no release: {why}", "Correct its entry")
    if (place := provided.place(package)) is None:
        raise OverlayError(package, "no repository here has an ebuild of it; bump never makes a new package")
    directory, old = place
    if (new := copying.gentoo_version(version)) is None:
        raise RepositoryError(
            package,
            f"the release {version!r} is no version that Gentoo has",
            "Set `prefix`, or from_pattern and to_pattern, in its entry",
        )
    if not copying.is_newer(new, old):
        screen.line(f"{package} has the newest release ({old})")
        return
    screen.line(f"{package} {old}: there is {new}", "bold")
    if options.into is not None:
        with copying.undone_on_error(options.into / package):
            made = copying.copy(directory, old, new, options.into)
            for line in made.differences:
                screen.line(f"  {line}")
            _build(made.path, options, screen)
        screen.line(f"wrote {made.path}, and its Manifest")


def _build(path: Path, options: argparse.Namespace, screen: Screen) -> None:
    """The trial build, if it is asked for."""
    for line in building.built(path) if options.build else ():
        screen.line(f"  {line}")


def _on_pypi(package: str, options: argparse.Namespace, names: Names, provided: Provided) -> None:
    """A package whose metadata.xml names a project."""
    screen = Screen()
    index = Index(options.index, Patience())
    try:
        found = bumping.bump(package, index, _terms(options, provided, names, ""), provided)
    finally:
        index.close()
    if found is None:
        screen.line(f"{package} has the newest release")
        return
    screen.line(f"{found.package} {found.old}: there is {found.new}", "bold")
    for line in found.differences or ("nothing that an ebuild depends on has changed",):
        screen.line(f"  {line}")
    if options.into is not None:
        with copying.undone_on_error(options.into / package):
            written = bumping.put(found, options.into)
            _build(written[-1], options, screen)
        for path in written:
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
