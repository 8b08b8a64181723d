"""Nothing that a terminal obeys and no password of a URL leaves through an error or a line, whoever wrote it."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import errors, shown
from portage_ext.errors import PortageExtError, releases, trust
from portage_ext.errors.builds import UnresolvedError
from portage_ext.errors.repositories import NotPickedError
from portage_ext.errors.trust import AllMirrorsFailedError, MirrorError, TrustError

HOSTILE = "\x1b]0;owned\x07\x1b[31m\x9b2J\r\u202e\u2028http://me:s3cret@host/\x00\x7f"
for module in pkgutil.iter_modules(errors.__path__):
    importlib.import_module(f"{errors.__name__}.{module.name}")


def classes(root: type[PortageExtError]) -> list[type[PortageExtError]]:
    """``root`` and all below it."""
    return [root, *(one for sub in root.__subclasses__() for one in classes(sub))]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://me:secret@host/x", "https://me:*@host/x"),
        ("https://me:12345@host", "https://me:*@host"),
        ("https://me@example.org:secret@host/x", "https://me@example.org:*@host/x"),
        ("https://me:se/cr@et@host/x", "https://me:*@host/x"),
        ("https://me:se cret@host/x", "https://me:*@host/x"),
        ("https://me:p[w@host", "https://me:*@host"),
        ("https://:secret@host/", "https://:*@host/"),
        ("ssh://me:secret@[::1]:22/x", "ssh://me:*@[::1]:22/x"),
        ("ftp://me:secret@host", "ftp://me:*@host"),
        (f"https://{'u' * 300}:secret@host/x", f"https://{'u' * 300}:*@host/x"),
        ("see http://a:b@c/d and 'http://e:f@g/h'", "see http://a:*@c/d and 'http://e:*@g/h'"),
        (f"https://me:{'s' * 3000}@host/x", "https://me:*@"),
        (f"https://me:{'s/ ' * 1000}@host/x", "https://me:*@"),
        ("https://me@host/x", "https://me@host/x"),
        ("https://host/x:y@z", "https://host/x:y@z"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("http://[::1]:80/x@y", "http://[::1]:80/x@y"),
        ("http://host:80 and mail x@y", "http://host:80 and mail x@y"),
    ],
)
def test_a_password_is_not_shown(url: str, told: str) -> None:
    assert shown.line(url) == told


@given(st.text())
def test_a_line_has_nothing_that_a_terminal_obeys(words: str) -> None:
    assert shown.line(words).isprintable()
    assert shown.text(words).replace("\n", "").isprintable()


@given(st.text(st.characters(exclude_characters="@", exclude_categories=("Cs",))), st.sampled_from(["me", "a@b", ""]))
def test_no_password_is_shown_whatever_it_is(password: str, user: str) -> None:
    # As far as it is one: what begins like a port and a path is taken for that.
    word = f"s3{password}3t"
    told = shown.line(f"http://{user}:{word}@host/path")
    assert told == f"http://{user}:*@host/path" or "\n" in word


def test_a_text_that_is_all_urls_is_made_fit_in_no_time() -> None:
    for words in (
        "://a:" * 50_000,
        "://" * 100_000,
        "a" * 500_000 + "://",
        "://a:" + "b" * 500_000,
        "://" + "u" * 500_000,
        "@://" * 100_000,
        "://a:\n" * 50_000,
    ):
        shown.line(words)


@pytest.mark.parametrize("kind", classes(PortageExtError), ids=lambda kind: kind.__name__)
def test_no_error_shows_what_a_terminal_obeys(kind: type[PortageExtError]) -> None:
    values: dict[str, object] = {"reasons": (MirrorError("x", HOSTILE),), "known": (), "findings": (), "why": HOSTILE}
    if kind in (releases.UnsignedPackagesError, releases.EmptiedReleaseError, errors.MassRemovalError):
        values["why"] = {HOSTILE: HOSTILE}
    numbers = ("before", "after", "left_out", "stands", "seconds")
    made = {one: values.get(one, 1 if one in numbers else HOSTILE) for one in kind._fields}
    error = kind(**made)
    for one in (error, pickle.loads(pickle.dumps(error))):
        told = str(one)
        assert "s3cret" not in told
        assert (told if not kind.has_lines else told.replace("\n", "")).isprintable()


def test_only_few_errors_have_more_than_one_line() -> None:
    several = {kind for kind in classes(PortageExtError) if kind.has_lines}
    assert several == {AllMirrorsFailedError, errors.ResolutionError, NotPickedError, UnresolvedError}


def test_what_is_refused_is_fit_to_be_shown_in_its_parts_too() -> None:
    error = trust.IndexMismatchError(HOSTILE, HOSTILE)
    assert error.where.isprintable()
    assert error.why.isprintable()
    assert "s3cret" not in error.where + error.why
    assert isinstance(error, TrustError)


def test_no_number_of_an_error_is_shown() -> None:
    with pytest.raises(OSError, match="nonexistent") as raised:
        Path("/nonexistent/file").read_bytes()
    assert shown.line(f"not read ({raised.value})") == "not read (No such file or directory: '/nonexistent/file')"
    assert shown.short(raised.value) == "No such file or directory: '/nonexistent/file'"


def test_the_kind_of_a_refusal_is_a_word_and_no_class() -> None:
    assert str(trust.RollbackError("lab", "it is older")).startswith("lab: it is older [rollback]. The mirror")
    assert trust.kind_of(trust.UnknownKeyError) == "unknown-key"


def test_an_error_takes_its_fields_and_nothing_else() -> None:
    error = errors.PackageError("a.gpkg.tar", detail="is cut off")
    assert (error.path, error.detail) == ("a.gpkg.tar", "is cut off")
    assert errors.NoSuchPackageError("x").also == ""
    bad: list[tuple[tuple[str, ...], dict[str, str]]] = [
        (("a",), {}),
        (("a", "b", "c"), {}),
        (("a", "b"), {"path": "c"}),
        (("a",), {"other": "b"}),
    ]
    for values, named in bad:
        with pytest.raises(TypeError, match="path, detail"):
            errors.PackageError(*values, **named)
