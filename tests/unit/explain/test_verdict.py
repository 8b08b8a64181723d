"""emerge is run again with the options of the question, less those that are in the way."""

from __future__ import annotations

from portage_ext.explain.verdict import Again

GET, EXCLUDE = ("--getbinpkg", "-g"), ("--usepkg-exclude", "--usepkg-exclude=a/b c/d")


def test_the_options_are_kept() -> None:
    again = Again((GET, EXCLUDE), (GET, EXCLUDE))
    assert again.emerge("--oneshot", "=a/b-1") == "emerge -g '--usepkg-exclude=a/b c/d' --oneshot =a/b-1"
    assert again.less(["--usepkg-exclude"]).emerge("=a/b-1") == "emerge -g =a/b-1"


def test_what_the_default_options_say_goes_only_with_all_of_them() -> None:
    again = Again((), (GET, EXCLUDE), frozenset(("--getbinpkg", "--usepkg-exclude")))
    assert again.emerge("=a/b-1") == "emerge =a/b-1"
    less = again.less(["--usepkg-exclude"])
    assert less.emerge("=a/b-1") == "emerge --ignore-default-opts -g =a/b-1"
    assert less.less(["--getbinpkg"]).emerge("=a/b-1") == "emerge --ignore-default-opts =a/b-1"


def test_what_the_shell_runs_it_by_comes_first() -> None:
    assert Again((GET,)).less([], "env -u FEATURES").emerge("=a/b-1") == "env -u FEATURES emerge -g =a/b-1"
