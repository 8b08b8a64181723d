"""Of what an overlay says for all, only what is about the picked packages stays."""

from __future__ import annotations

from portage_ext.repositories.cache import Metadata
from portage_ext.repositories.pick import filtering

PICKED = frozenset({"app-misc/keyd", "dev-libs/more"})


def test_masks_stay_with_their_comments() -> None:
    text = (
        "# larry: broken\n# (since today)\n>=app-misc/keyd-2\ndev-libs/else\n\n# other\nsys-libs/glibc\n\n-dev-libs/more\n*/*\n"
    )
    assert filtering.by_package(text, PICKED) == "# larry: broken\n# (since today)\n>=app-misc/keyd-2\n-dev-libs/more\n"


def test_a_line_that_a_terminal_obeys_does_not_stay() -> None:
    assert (
        filtering.by_package("# \x1b[2J\napp-misc/keyd \x1b]0;x\x07\napp-misc/keyd\tflag\n", PICKED) == "app-misc/keyd\tflag\n"
    )


def test_flags_and_their_descriptions() -> None:
    assert filtering.by_flag("one\n-two\nthree # all\n", {"two", "three"}) == "-two\nthree # all\n"
    assert filtering.descriptions("one - first\ntwo - second\n", {"two"}) == "two - second\n"
    assert filtering.local_descriptions("app-misc/keyd:one - x\na/b:one - y\n", PICKED) == "app-misc/keyd:one - x\n"
    assert filtering.flags_of("lua_single_target", ["lua_single_target_lua5-4", "lua"]) == {"lua5-4"}


def test_mirrors_and_licences_of_others_are_theirs() -> None:
    assert filtering.mirrors("ours a\ntheirs b\nunused c\n", {"ours", "theirs"}, {"theirs"}) == "ours a\n"
    text = "FREE OURS THEIRS UNUSED\n@X OURS\nNONE THEIRS\n"
    assert filtering.licence_groups(text, {"OURS", "THEIRS"}, {"THEIRS"}) == "FREE OURS\n"


def test_moves_to_picked_packages_stay_through_several_steps() -> None:
    texts = {
        "4Q-2023": "move app-misc/oldest app-misc/old\nmove a/a b/b\n",
        "1Q-2024": "move app-misc/old app-misc/keyd\nmove dev-libs/base dev-libs/more\nslotmove dev-libs/more 0 1\n"
        "slotmove <a/a-2 0 1\n",
    }
    kept = filtering.moves(texts, PICKED, lambda cp: cp == "dev-libs/base")
    assert kept == {
        "4Q-2023": "move app-misc/oldest app-misc/old\n",
        "1Q-2024": "move app-misc/old app-misc/keyd\nslotmove dev-libs/more 0 1\n",
    }
    assert filtering.moved(texts, "app-misc/oldest") == "app-misc/keyd"
    assert filtering.moved(texts, "app-misc/never") == "app-misc/never"
    assert filtering.taken_over(texts, PICKED) == {"app-misc/old", "dev-libs/base"}


def test_what_packages_need_of_profiles() -> None:
    entry = Metadata(
        {"IUSE": "+one -two three", "SRC_URI": "mirror://ours/x/y.tar http://z", "LICENSE": "|| ( A x? ( B+ ) )"}, "", {}
    )
    found = filtering.picked(["a/a"], [entry])
    assert (found.flags, found.mirrors, found.licences) == ({"one", "two", "three"}, {"ours"}, {"A", "B+"})
