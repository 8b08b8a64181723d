"""The page of the last update says what came, what failed with the end of its log, and what was held back and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from portage_ext.folding import fold
from portage_ext.limits import views as limits
from portage_ext.pages import markup
from portage_ext.pages.markup import counted, text
from portage_ext.unattended.updated import Failure, Updated

NAME: Final = "update.html"


def page(site: str, updated: Updated) -> bytes:
    """The page of ``updated``, which published this release or ran before it."""
    body = (
        f'<p class="path"><a href="index.html">Packages</a></p><h1>Last update</h1><p class="lead">Begun '
        f"{markup.moment(updated.begun)}, as it was when this release was made: {text(line(updated))}.</p>"
    )
    body += _section("Built", "built", [f"<li>{text(one)}</li>" for one in updated.came], len(updated.came))
    body += _section("Failed", "failed", [_failure(one) for one in updated.failed], len(updated.failed))
    held = [f"<li>{text(str(one))}</li>" for one in fold(updated.held)]
    body += _section("Held back", "held", held, len(held))
    return markup.page("Last update", site, body)


def line(updated: Updated) -> str:
    """The update in one line."""
    parts = [f"{counted(len(updated.came))} built"]
    if updated.failed:
        parts.append(f"{markup.number(len(updated.failed))} failed")
    if updated.held:
        parts.append(f"{markup.number(len(updated.held))} held back")
    return ", ".join(parts)


def _failure(one: Failure) -> str:
    log = text("\n".join(one.lines))
    return f"<li>{text(one.what)}: {text(one.why)}{f'<pre tabindex=0><code>{log}</code></pre>' if log else ''}</li>"


def _section(title: str, kind: str, items: Sequence[str], count: int) -> str:
    if not items:
        return ""
    more = count - limits.PAGES_LISTED
    return (
        f'<section aria-labelledby="{kind}"><h2 id="{kind}">{title} <span class="count">{markup.number(count)}</span></h2>'
        f'<ul class="plain">{"".join(items[: limits.PAGES_LISTED])}</ul>'
        f"{f'<p>… and {markup.number(more)} more.</p>' if more > 0 else ''}</section>"
    )
