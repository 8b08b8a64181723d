"""The page of a package does not depend on its release, so the file is the same in the next release unless the package changes.

It shows the builds, the commands to install it, its contract, and the packages that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from portage_ext import shown, words
from portage_ext.errors import InvalidContractError
from portage_ext.limits import views as limits
from portage_ext.model.contract import SymbolContract
from portage_ext.pages import facts, markup
from portage_ext.pages.facts import Build
from portage_ext.pages.markup import command, counted, text

UP: Final = "../../"
_ENV_FILE: Final = "getbinpkg.conf"


def page(name: str, site: str, builds: Sequence[Build], needed_by: Collection[str], known: Callable[[str], bool]) -> bytes:
    """The page of ``name``. ``builds`` are newest first; ``known`` tells whether another package has a page."""
    newest = builds[0]
    category = name.partition("/")[0]
    body = (
        f'<p class="path"><a href="{UP}index.html">Packages</a> / <a href="{UP}categories/{category}.html">{category}</a></p>'
        f"<h1>{text(name)}</h1>"
        + (f'<p class="lead" dir="auto">{text(newest.description)}</p>' if newest.description else "")
        + _builds(builds)
        + _lines(name, builds)
        + _needs(newest, known)
        + _contract(newest)
        + _needed_by(needed_by)
    )
    return markup.page(name, site, body, up=UP)


def _builds(builds: Sequence[Build]) -> str:
    rows = "".join(map(_row, builds[: limits.PAGES_BUILDS]))
    more = len(builds) - limits.PAGES_BUILDS
    return (
        f'<section aria-labelledby="builds"><h2 id="builds">Builds <span class="count">{len(builds)}</span></h2>'
        '<div class="wide" tabindex="0" role="region" aria-labelledby="builds"><table>'
        '<thead><tr><th scope="col">Version</th><th scope="col">Slot</th><th scope="col">Built</th>'
        '<th scope="col" class="n">Size</th><th scope="col">USE</th><th scope="col">Licence</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{f'<p>… and {more} older ones.</p>' if more > 0 else ''}</section>"
    )


def _row(one: Build) -> str:
    build = f' <span class="dim">build {text(one.build_id)}</span>' if one.build_id else ""
    flags = " ".join(map(text, one.use)) or '<span class="dim">none</span>'
    return (
        f'<tr><th scope="row"><span class="v">{text(one.version)}</span>{build}</th><td>{text(one.slot)}</td>'
        f'<td class="nw">{markup.date(one.built)}</td><td class="n">{words.size(one.size)}</td><td class="flags">{flags}</td>'
        f'<td class="lic">{text(one.licence) or "unknown"}</td></tr>'
    )


def _lines(name: str, builds: Sequence[Build]) -> str:
    slots = sorted({one.slot.partition("/")[0] for one in builds})
    atom = f"{name}:{builds[0].slot.partition('/')[0]}" if len(slots) > 1 else name
    several = (
        f'<p class="note">It has the slots {text(", ".join(slots))}; this is the slot of the newest build.</p>'
        if len(slots) > 1
        else ""
    )
    return (
        '<section aria-labelledby="install"><h2 id="install">Install it</h2>'
        "<p>Add this line to <code>/etc/portage/package.env</code>, so that Portage takes this package from the binhost:</p>"
        f"{command(f'{atom}  {_ENV_FILE}')}"
        f"<p>Then install it as usual:</p>{command(f'emerge --ask {atom}')}{several}</section>"
    )


def _needs(newest: Build, known: Callable[[str], bool]) -> str:
    if not newest.needs:
        return ""
    items = " ".join(_linked(newest.needs.split(), known))
    return (
        f'<section aria-labelledby="needs"><h2 id="needs">Needs</h2><p class="note">Of {text(newest.version)}, at run time. '
        f'Names with a link are in this release.</p><p class="atoms">{items}</p></section>'
    )


def _linked(parts: Sequence[str], known: Callable[[str], bool]) -> Iterator[str]:
    for word in parts:
        name = facts.name_in(word)
        if name and known(name):
            yield f'<a href="{markup.address(name, UP)}">{text(word)}</a>'
        else:
            yield f"<span>{text(word)}</span>"


def _contract(newest: Build) -> str:
    if not newest.contract:
        return ""
    head = (
        '<section aria-labelledby="contract"><h2 id="contract">Contract</h2>'
        f'<p class="note">The symbol versions of shared libraries that {text(newest.version)} needs and defines.</p>'
    )
    try:
        found = SymbolContract.parse(newest.contract)
    except InvalidContractError:
        return f'{head}<p class="atoms">{text(newest.contract[: limits.PAGES_NEEDS])}</p></section>'
    needs = [(one.soname, sorted(one.versions), one.plugin) for one in found.needs]
    defines = [(soname, sorted(versions), False) for (_, soname), versions in found.defines.items()]
    return f"{head}{_libraries('Needs', sorted(needs))}{_libraries('Defines', sorted(defines))}</section>"


def _told(name: str) -> str:
    """A name from a contract, in which any byte may be written as %XX."""
    return text(shown.line(name))


def _libraries(title: str, libraries: Sequence[tuple[str, list[str], bool]]) -> str:
    if not libraries:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{_told(soname)}</th><td>{" ".join(map(_told, versions[: limits.PAGES_BUILDS])) or "any version"}'
        f"{' (plugins only)' if plugin else ''}</td></tr>"
        for soname, versions, plugin in libraries[: limits.PAGES_LISTED]
    )
    caption = f"{title} {words.counted(len(libraries), 'library').replace('librarys', 'libraries')}"
    return f'<table class="libs"><caption>{caption}</caption><tbody>{rows}</tbody></table>'


def _needed_by(names: Collection[str]) -> str:
    if not names:
        return ""
    shown = sorted(names)[: limits.PAGES_LISTED]
    items = "".join(f'<li><a href="{markup.address(name, UP)}">{text(name)}</a></li>' for name in shown)
    more = len(names) - len(shown)
    return (
        f'<section aria-labelledby="needed"><h2 id="needed">Needed by <span class="count">{counted(len(names))}</span></h2>'
        f'<ul class="cols">{items}</ul>{f"<p>… and {more} more.</p>" if more else ""}</section>'
    )
