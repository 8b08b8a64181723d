"""What a profile can express is published, and what it cannot is named."""

from __future__ import annotations

import pytest

from portage_ext.fleet import profile
from portage_ext.fleet.configuration import Configuration, read

EXPAND = ("PYTHON_TARGETS", "VIDEO_CARDS", "ELIBC")


def published(name: str, text: str) -> tuple[str, list[str]]:
    """What the profile has for one file below /etc/portage, and what was left out."""
    texts, left = profile.files(read({f"etc/portage/{name}": text.encode()}, {}, EXPAND), "gentoo:default", "amd64")
    kept = {file: text for file, text in texts.items() if file not in ("eapi", "parent")}
    return next(iter(kept.values()), ""), [f"{one.what}: {one.why}" for one in left]


@pytest.mark.parametrize(
    ("name", "text", "made"),
    [
        ("package.use/a", "app-misc/x foo -bar # why\n", "app-misc/x foo -bar\n"),
        ("package.use", "app-misc/x f L10N: -a b VIDEO_CARDS: c\n", "app-misc/x f -l10n_a l10n_b video_cards_c\n"),
        ("package.use", "*/* foo PYTHON_TARGETS: -* b\n", 'USE="foo -python_targets_* python_targets_b"\n'),
        ("package.use", "app-misc/x a\napp-misc/y b\napp-misc/x -a\n", "app-misc/y b\napp-misc/x a -a\n"),
        ("package.accept_keywords", "=app-misc/x-1*\n", "=app-misc/x-1* ~amd64\n"),
        ("package.keywords", "app-misc/x **\n", "app-misc/x **\n"),
        ("package.accept_keywords", "*/*\n", 'ACCEPT_KEYWORDS="~amd64"\n'),
        ("package.license", "dev-*/* EULA @FREE\n", "dev-*/* EULA @FREE\n"),
        ("package.mask", ">=app-misc/x-2:0::tiny\n", ">=app-misc/x-2:0::tiny\n"),
        ("package.unmask", "app-misc/x\n", "app-misc/x\n"),
        ("profile/use.mask", "foo\n-bar\n", "foo\n-bar\n"),
        ("profile/package.use.force", "app-misc/x foo\n", "app-misc/x foo\n"),
    ],
)  # fmt: skip
def test_a_file_becomes_that_of_a_profile(name: str, text: str, made: str) -> None:
    assert published(name, text) == (made, [])


@pytest.mark.parametrize(
    ("name", "text", "what", "why"),
    [
        ("package.use", "dev-qt/* foo\n", "package.use: dev-qt/* foo", "an atom of a profile has no wildcard"),
        ("package.use", "app-misc/x -* foo\n", "package.use: app-misc/x -* foo", "package.use of a profile has no -*"),
        ("package.mask", "-app-misc/x\n", "package.mask: -app-misc/x", "cannot undo a mask of a repository"),
        ("package.env", "app-misc/x secret.conf\n", "package.env", "only from /etc/portage"),
        ("bashrc", "TOKEN=hunter2\n", "bashrc", "it is a program"),
        ("package.use", "app-misc/x https://me:hunter2@example.org\n", "package.use:1", "neither a flag, a keyword nor"),
        ("package.mask", "\n../../etc/passwd\n", "package.mask:2", "not an atom that can be published"),
    ],
)  # fmt: skip
def test_what_a_profile_cannot_express_stays_and_is_named(name: str, text: str, what: str, why: str) -> None:
    kept, left = published(name, text)
    assert (kept, len(left)) == ("", 1)
    assert left[0].startswith(f"{what}: ")
    assert why in left[0]


def test_a_variable_of_use_expand_replaces_what_the_profiles_say_and_secrets_stay() -> None:
    variables = {
        "USE": "a -b", "VIDEO_CARDS": "intel", "CFLAGS": "-O2", "ELIBC": "musl", "RSYNC_PASSWORD": "hunter2",
        "ACCEPT_LICENSE": "$(hunter2)",
    }  # fmt: skip
    found = read({}, variables, EXPAND)
    texts, left = profile.files(found, "gentoo:default", "amd64")
    assert texts["make.defaults"] == 'USE="a -b"\nVIDEO_CARDS="-* intel"\n'
    assert {one.what for one in left} == {"make.conf: CFLAGS", "make.conf: ELIBC", "make.conf: ACCEPT_LICENSE"}
    assert "hunter2" not in f"{texts}{left}"


def test_sets_get_the_name_of_the_profile_in_front() -> None:
    found = Configuration(sets={"tools": ("app-misc/x", "@more", "@world"), "more": ("app-misc/y",)})
    assert profile.sets(found, "desk") == {
        "desk-tools": "app-misc/x\n@desk-more\n@world\n",
        "desk-more": "app-misc/y\n",
    }


def test_a_file_outside_the_allow_list_is_not_even_named() -> None:
    assert read({"etc/portage/binrepos.conf": b"sync-uri = https://me:hunter2@x/\n"}, {}, EXPAND) == Configuration()
