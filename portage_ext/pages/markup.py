"""The frame of every page, and the one way in which text becomes HTML.

A page runs no script but ``search.js`` and takes no style but ``style.css``, both from beside it: the policy in its head says
so, so that a browser refuses whatever else could get into a page.
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
    """``foreign`` as text of a page or as the value of an attribute in double quotes."""
    return escape(foreign, quote=True)


@lru_cache(maxsize=1 << 15)
def address(name: str, up: str = "") -> str:
    """The relative URL of the page of the package ``name`` (category/name); ``up`` leads to the folder of the pages."""
    return f"{up}packages/{quote(name)}.html"


def moment(seconds: int) -> str:
    """A time that a script can tell as an age, and that reads well without one."""
    if not seconds:
        return "unknown"
    return f'<time datetime="{_iso(seconds)}">{words.minute(seconds)}</time>'


def date(seconds: int) -> str:
    """The day of a time."""
    return f'<time datetime="{_iso(seconds)}">{words.day(seconds)}</time>' if seconds else "unknown"


def _iso(seconds: int) -> str:
    return words.second(seconds).replace(" UTC", "Z").replace(" ", "T")


def number(count: int) -> str:
    """A count with its thousands apart."""
    return f"{count:,}"


def counted(count: int, word: str = "package") -> str:
    return words.counted(count, word).replace(str(count), number(count), 1)


def command(line: str) -> str:
    """Lines to type or to write into a file."""
    return f'<pre class="do" tabindex="0"><code>{text(line)}</code></pre>'


def page(title: str, site: str, body: str, *, up: str = "", here: str = "", feed: str = "") -> bytes:
    """A whole page. ``site`` names the binhost; ``here`` is the file of the page if the navigation leads to it."""
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
