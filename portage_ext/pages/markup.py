"""All text in pages is escaped here, and every page has the same frame with a strict content security policy.

A page only uses the script ``search.js`` and the style ``style.css`` from the same server. The policy in its head says so, and
a browser refuses anything else that might get into a page.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Final
from urllib.parse import quote

from portage_ext import words

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
_PLACES: Final = (("index.html", "Packages"), ("releases.html", "Releases"), ("setup.html", "Set up a client"))


@lru_cache(maxsize=1 << 15)
def text(foreign: str) -> str:
    """Escape ``foreign`` for the text of a page or for the value of an attribute in double quotes."""
    return escape(foreign, quote=True)


@lru_cache(maxsize=1 << 15)
def address(name: str, up: str = "") -> str:
    """The relative URL of the page of the package ``name`` (category/name); ``up`` is the way to the directory of the pages."""
    return f"{up}packages/{quote(name)}.html"


def moment(seconds: int) -> str:
    """A time as HTML. A script can show it as an age; without the script, it is readable too."""
    if not seconds:
        return "unknown"
    return f'<time datetime="{_iso(seconds)}">{words.minute(seconds)}</time>'


def date(seconds: int) -> str:
    """The day of a time."""
    return f'<time datetime="{_iso(seconds)}">{words.day(seconds)}</time>' if seconds else "unknown"


def _iso(seconds: int) -> str:
    return words.second(seconds).replace(" UTC", "Z").replace(" ", "T")


def number(count: int) -> str:
    """A number with separated thousands."""
    return f"{count:,}"


def counted(count: int, word: str = "package") -> str:
    return words.counted(count, word).replace(str(count), number(count), 1)


def command(line: str) -> str:
    """A block of lines for people to type or to write to a file."""
    return f'<pre class="do" tabindex="0"><code>{text(line)}</code></pre>'


def page(title: str, site: str, body: str, *, up: str = "", here: str = "", feed: str = "") -> bytes:
    """A complete page. ``site`` is the name of the binhost; ``here`` is the file of this page if the navigation has a link to
    it."""
    links = "".join(
        f'<a href="{up}{name}"{" aria-current=page" if name == here else ""}>{label}</a>' for name, label in _PLACES
    )
    heading = f"{title} · {site}" if title else site
    atom = f'<link rel="alternate" type="application/atom+xml" title="Releases" href="{up}{feed}">' if feed else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<meta name="referrer" content="no-referrer"><title>{text(heading)}</title>'
        f'<link rel="icon" href="{up}icon.svg"><link rel="stylesheet" href="{up}style.css">{atom}'
        f'<script src="{up}search.js" defer></script></head>'
        f'<body data-up="{up}"><a class="skip" href="#main">Skip to the content</a>'
        f'<header><a class="site" href="{up}index.html">{text(site)}</a><nav aria-label="Main">{links}</nav></header>'
        f'<main id="main" tabindex="-1">{body}</main></body></html>\n'
    ).encode()
