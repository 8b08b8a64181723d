"""The page of a release shows what changed since the release before it in this channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from portage_ext import shown, words
from portage_ext.limits import views as limits
from portage_ext.model import IndexEntry
from portage_ext.pages import facts, markup
from portage_ext.pages.history import Record
from portage_ext.pages.markup import counted, text
from portage_ext.releases.contents import Change, Difference

UP = "../"


def page(site: str, channel: str, record: Record, difference: Difference | None, feed: str) -> bytes:
    """The page of ``record``. ``difference`` is None for the first release that has pages."""
    body = (
        f'<p class="path"><a href="{UP}releases.html">Releases</a> / {text(channel)}</p><h1>Release {record.number}</h1>'
        f"<p class=lead>{markup.moment(record.created)} · {text(record.origin)} · {counted(record.packages)} · "
        f"{words.size(record.size)}</p>"
    )
    if difference is None:
        body += "<p>This is the first release of the channel, or the first with pages. There is nothing to compare it with.</p>"
    elif not difference:
        body += "<p>No package changed since the release before.</p>"
    else:
        most = limits.PAGES_LISTED
        body += _section("Added", "added", [_entry(one) for one in difference.added[:most]], record.added)
        body += _section("Removed", "removed", [_entry(one) for one in difference.removed[:most]], record.removed)
        body += _section("Rebuilt", "rebuilt", [_change(one) for one in difference.rebuilt[:most]], record.rebuilt)
    return markup.page(f"Release {record.number}", site, body, up=UP, feed=feed)


def _section(title: str, kind: str, items: Sequence[str], count: int) -> str:
    if not items:
        return ""
    more = count - len(items)
    return (
        f'<section class="{kind}" aria-labelledby="{kind}"><h2 id="{kind}">{title} <span class="count">'
        f'{markup.number(count)}</span></h2><ul class="changes">{"".join(items)}</ul>'
        f"{f'<p>… and {markup.number(more)} more.</p>' if more > 0 else ''}</section>"
    )


def _entry(entry: IndexEntry, detail: str = "") -> str:
    cpv, name = shown.line(entry.get("CPV")), facts.name_of(f"CPV: {entry.get('CPV')}".encode())
    # Link to the search and not to the page of the package, because this page still exists when the package is removed.
    label = f'<a href="{UP}index.html#q={quote(name)}">{text(cpv)}</a>' if name else text(cpv)
    build = f' <span class="dim">build {text(shown.line(entry.get("BUILD_ID")))}</span>' if entry.get("BUILD_ID") else ""
    slot = f":{text(shown.line(entry.slot))}" if entry.slot != "0" else ""
    said = detail or words.size(facts.number(entry.get("SIZE")))
    return f'<li><span class="v">{label}{slot}</span>{build} <span class="detail">{said}</span></li>'


def _change(one: Change) -> str:
    told = [_value(key, *pair) for key, pair in one.keys().items()] or one.other_metadata() or ["other bytes"]
    return _entry(one.after, text(", ".join(map(shown.line, told))))


def _value(key: str, before: str, after: str) -> str:
    if key in ("USE", "RDEPEND"):
        old, new = set(before.split()), set(after.split())
        words_of = [f"+{word}" for word in sorted(new - old)] + [f"-{word}" for word in sorted(old - new)]
        return f"{_LABELS[key]} {' '.join(words_of[: limits.PAGES_BUILDS]) or 'in another order'}"
    if key == "SIZE":
        return f"size {words.size(facts.number(before))} → {words.size(facts.number(after))}"
    return f"{_LABELS[key]} {before or 'none'} → {after or 'none'}"


_LABELS: Mapping[str, str] = {
    "BUILD_ID": "build", "USE": "USE", "SLOT": "slot", "REPO": "repository", "RDEPEND": "dependencies"
}  # fmt: skip
