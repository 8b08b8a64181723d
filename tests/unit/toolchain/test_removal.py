"""What an unmerge breaks, on values alone."""

from __future__ import annotations

from portage_ext.toolchain.plan import User
from portage_ext.toolchain.removal import Broken, broken
from tests.unit.toolchain.test_plan import A, Fake, lib, need

LIBRARY = (A, "libfoo.so.1")
F_2 = need("libfoo.so.1", "F_2")
GOES = [("l/foo-1", LIBRARY)]


def system(*users: User) -> Fake:
    return Fake(lib("libfoo.so.1", "F_1", "F_2"), needed={LIBRARY: list(users)})


def found(world: Fake, left: Fake, *removed: str, preserves: bool = False) -> list[Broken]:
    return list(broken(GOES, {"l/foo-1", *removed}, world, left, preserves=preserves))


def test_user_that_stays_is_broken_and_one_that_goes_is_not() -> None:
    world = system(User("a/user-1", F_2))
    assert found(world, Fake()) == [Broken("l/foo-1", "a/user-1", F_2, frozenset({"F_2"}), False)]
    assert found(world, Fake(), "a/user-1") == []


def test_copy_elsewhere_counts_for_the_versions_that_it_has() -> None:
    world = system(User("a/old-1", need("libfoo.so.1", "F_1")), User("a/new-1", F_2))
    (one,) = found(world, Fake(lib("libfoo.so.1", "F_1")))
    assert (one.victim, one.missing, one.found) == ("a/new-1", {"F_2"}, True)


def test_private_copy_helps_whoever_names_its_directory() -> None:
    private = {"/opt/p": lib("libfoo.so.1", "F_2")}
    world = Fake(lib("libfoo.so.1", "F_2"), needed={LIBRARY: [User("a/a-1", F_2, ("/opt/p",)), User("a/b-1", F_2)]})
    assert [one.victim for one in found(world, Fake(private=private))] == ["a/b-1"]


def test_library_is_preserved_only_where_portage_finds_no_other() -> None:
    world = system(User("a/user-1", F_2))
    assert found(world, Fake(), preserves=True) == []
    assert [one.victim for one in found(world, Fake(lib("libfoo.so.1", "F_1")), preserves=True)] == ["a/user-1"]


def test_what_did_not_run_before_is_not_the_unmerges_doing() -> None:
    assert found(system(User("a/user-1", need("libfoo.so.1", "F_9"))), Fake()) == []


def test_plugins_and_categories_that_cannot_run_are_asked_nothing() -> None:
    plugin = need("libfoo.so.1", "F_2", plugin=True)
    assert found(system(User("a/plugin-1", plugin)), Fake()) == []
    other = need("libfoo.so.1", "F_2", category="x86_32")
    world = Fake({other.library: frozenset({"F_2"})}, needed={other.library: [User("a/a-1", other)]})
    assert list(broken([("l/foo-1", other.library)], {"l/foo-1"}, world, Fake(), preserves=False)) == []
