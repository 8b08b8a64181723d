"""The first page, the category pages and the list of releases link to everything without needing a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from portage_ext import words
from portage_ext.pages import charts, feed, markup, update
from portage_ext.pages.history import Record, told
from portage_ext.pages.markup import counted, number, text
from portage_ext.unattended.updated import Updated

INDEX: Final = "index.html"
RELEASES: Final = "releases.html"
_LATEST: Final = 5


@dataclass(frozen=True, slots=True)
class Health:
    """When the release expires (seconds since 1970), how many packages it leaves out, the last runs (time, name, success),
    where the builds that run now are shown (a URL, or empty), and the last update of the host."""

    expires: int
    left_out: int
    runs: Sequence[tuple[int, str, bool]] = ()
    builds: str = ""
    updated: Updated | None = None


def index(site: str, channel: str, categories: Mapping[str, int], history: Sequence[Record], health: Health) -> bytes:
    """The first page. ``categories`` has the number of packages in each category."""
    newest = history[-1]
    names = sum(categories.values())
    body = (
        f'<h1 class="hidden">Packages of {text(site)}</h1>'
        '<form id="search" role="search" hidden><label for="q">Search packages</label>'
        '<input id="q" type="search" autocomplete="off" autocapitalize="off" spellcheck="false" enterkeyhint="search" '
        'placeholder="name, category/, use:flag" aria-describedby="hint" aria-controls="results">'
        '<p id="hint">Part of a name, a category such as <code>dev-libs/</code>, or <code>use:wayland</code> for packages with '
        "that USE flag. Blanks combine them. <kbd>/</kbd> leads here from any page.</p></form>"
        '<noscript><p class="note">The search needs JavaScript. The lists below work without it.</p></noscript>'
        '<p id="count" role="status"></p><ol id="results" hidden></ol>'
        f'<div id="overview"><div class="split"><section aria-labelledby="categories"><h2 id="categories">Categories '
        f'<span class="count">{counted(names)}</span></h2>{_categories(categories)}</section>'
        f"<div>{_health(channel, newest, health)}{_latest(history)}</div></div></div>"
    )
    return markup.page("", site, body, here=INDEX, feed=feed.NAME)


def _categories(categories: Mapping[str, int]) -> str:
    items = "".join(
        f'<li><a href="categories/{name}.html">{name}</a> <span class="dim">{number(count)}</span></li>'
        for name, count in sorted(categories.items())
    )
    return f'<ul class="cols">{items}</ul>' if items else "<p>There is no package yet.</p>"


def _health(channel: str, newest: Record, health: Health) -> str:
    rows = [
        ("Channel", f'{text(channel)}, <a href="releases/{newest.number}.html">release {newest.number}</a>'),
        ("Made", f'{markup.moment(newest.created)} <span class="age" data-since="{newest.created}"></span>'),
        ("Valid until", f'{markup.moment(health.expires)} <span class="age" data-until="{health.expires}"></span>'),
        ("Package files", f"{number(newest.packages)}, {words.size(newest.size)}"),
        ("Signed", _signed(newest)),
    ]
    if newest.timed:
        rows.append(("Build time saved", f"{words.spell(newest.saved)} (known for {counted(newest.timed)})"))
    if health.left_out:
        rows.append(("Left out", f"{counted(health.left_out)} of the builder"))
    if health.builds:
        rows.append(("Running builds", f'<a href="{text(health.builds)}">{text(health.builds)}</a>'))
    if health.updated is not None:
        rows.append(("Last update", f'<a href="{update.NAME}">{text(update.line(health.updated))}</a>'))
    for when, what, well in health.runs:
        ended = '<span class="ok">succeeded</span>' if well else '<span class="bad">failed</span>'
        rows.append(("Last run", f"{text(what)} {ended}, {markup.moment(when)}"))
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f'<section aria-labelledby="health"><h2 id="health">This release</h2><dl>{items}</dl></section>'


def _signed(one: Record) -> str:
    if one.signed == one.packages:
        return "all packages"
    return f"{number(one.signed)} of {number(one.packages)}"


def _latest(history: Sequence[Record]) -> str:
    items = "".join(
        f'<li><a href="releases/{one.number}.html">Release {one.number}</a> <span class="dim">{markup.date(one.created)}</span>'
        f"<br>{told(one)}</li>"
        for one in reversed(history[-_LATEST:])
    )
    return (
        f'<section aria-labelledby="latest"><h2 id="latest">Latest releases</h2><ul class="plain">{items}</ul>'
        f'<p class="note"><a href="{RELEASES}">All releases</a> · <a href="{feed.NAME}">Atom feed</a></p></section>'
    )


def category(site: str, name: str, names: Sequence[str]) -> bytes:
    """The page of a category; ``names`` are its packages without the category."""
    items = "".join(f'<li><a href="{markup.address(f"{name}/{one}", "../")}">{one}</a></li>' for one in names)
    body = (
        f'<p class="path"><a href="../{INDEX}">Packages</a></p>'
        f'<h1>{name} <span class="count">{counted(len(names))}</span></h1><ul class="cols">{items}</ul>'
    )
    return markup.page(name, site, body, up="../")


def releases(site: str, channel: str, history: Sequence[Record]) -> bytes:
    """The list of releases, newest first, below the charts."""
    rows = "".join(
        f'<tr><th scope="row"><a href="releases/{one.number}.html">{one.number}</a></th><td class="nw">'
        f'{markup.moment(one.created)}</td><td class="n">{number(one.packages)}</td><td class="n">{words.size(one.size)}</td>'
        f'<td class="n add">{_signed_count("+", one.added)}</td><td class="n del">{_signed_count("−", one.removed)}</td>'
        f'<td class="n">{number(one.rebuilt) if one.rebuilt else ""}</td><td>{text(one.origin)}</td></tr>'
        for one in reversed(history)
    )
    body = (
        f'<h1>Releases of {text(channel)}</h1><p class="lead">A release never changes. Clients read the newest one of their '
        f'channel. <a href="{feed.NAME}">Atom feed</a></p>{charts.charts(history)}'
        '<div class="wide" tabindex="0" role="region" aria-label="Releases"><table><thead><tr><th scope="col">Release</th>'
        '<th scope="col">Made</th><th scope="col" class="n">Packages</th><th scope="col" class="n">Size</th>'
        '<th scope="col" class="n">Added</th><th scope="col" class="n">Removed</th><th scope="col" class="n">Rebuilt</th>'
        f'<th scope="col">From</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    return markup.page("Releases", site, body, here=RELEASES, feed=feed.NAME)


def _signed_count(sign: str, count: int) -> str:
    return f"{sign}{number(count)}" if count else ""
