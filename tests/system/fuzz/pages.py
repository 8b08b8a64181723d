"""The readers behind pages and figures: index entries, the state of the last writer of pages, the log of a web server."""

from __future__ import annotations

import re
from pathlib import Path

from portage_ext.pages import facts, package, search, state
from portage_ext.pages.catalogue import Catalogue
from portage_ext.pages.history import Record
from portage_ext.unattended import served
from tests.system.fuzz.judging import FindingError, Target
from tests.system.fuzz.targets import ENTRY, JSON_WORDS, in_files

_TAGS = frozenset(
    [
        *("!doctype", "html", "head", "meta", "title", "link", "script", "body", "header", "nav", "main", "section"),
        *("h1", "h2", "p", "a", "span", "div", "code", "pre", "time", "ul", "li"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td"),
    ]
)


def page(data: bytes) -> None:
    """A page holds only tags of ours and what can be seen, whatever the entry says."""
    found = facts.build("x", data)
    if found is None:
        return
    made = package.page(found.cp, "lab", [found], (), lambda name: len(name) % 2 == 0).decode()
    tags = {tag.lower() for tag in re.findall(r"</?([^\s>/]+)", made)}
    if not tags <= _TAGS or made.count("<script") != 1:
        raise FindingError(f"tags in a page: {sorted(tags - _TAGS)}")
    if not made.replace("\n", "").isprintable():
        raise FindingError("a control character in a page")
    search.text([search.row(found.cp, [found])])


def states() -> list[bytes]:
    of = Catalogue({"a/b": ["a/b-1.gpkg.tar"]}, {"c/d": "a/b"}, {"ssl": "a/b"}, {"a/b-1.gpkg.tar"}, 100, 1)
    return [state.State("0" * 32, of, [Record(1, 1_700_000_000, "published", 1, 100, 0)]).emit()]


def log(folder: Path) -> None:
    served.read(folder / "access.log", {"amd64": ("production",)})


LINE = b'::1 - - [26/Nov/2026:10:00:00 +0000] "GET /amd64/production/Packages HTTP/1.1" 200 1234 "-" "x"\n'
ENTRIES = (b"<script>", b'"', b"&", b"\xe2\x80\xae", b"DESC: ", b"CPV: ")
TARGETS = (
    Target("page", lambda: [ENTRY + b"DESC: What it is\n"], page, words=ENTRIES),
    Target("pages-state", states, in_files(state.NAME)(state.read), (), words=JSON_WORDS),
    Target("access-log", lambda: [LINE * 3], in_files("access.log")(log), (), words=(b'"GET /', b' HTTP/1.1" ', b"/amd64/")),
)
