"""The walk over a merge list, on values alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.model.contract import ANY, Library, Need, Placed, SymbolContract
from portage_ext.toolchain.cycles import on_cycle
from portage_ext.toolchain.plan import Edge, Step, User
from portage_ext.toolchain.simulated import meets
from portage_ext.toolchain.walk import check

A = "x86_64"


@dataclass
class Fake:
    """A system of values. A mock, because the walk is a function of values; real systems are in tests/system/toolchain."""

    libraries: dict[Library, frozenset[str]] = field(default_factory=dict)
    owned: dict[Library, frozenset[str]] = field(default_factory=dict)
    needed: dict[Library, list[User]] = field(default_factory=dict)
    private: dict[str, dict[Library, frozenset[str]]] = field(default_factory=dict)
    declared: dict[str, frozenset[str]] = field(default_factory=dict)
    elsewhere: dict[str, dict[Library, frozenset[str]]] = field(default_factory=dict)
    """What packages (category/name) have in directories of their own."""
    usual: frozenset[Placed] = frozenset()
    """Where other versions of dependencies have theirs."""
    kept: bool = True

    def judges(self, category: str) -> bool:
        return category == A

    def candidates(self, library: Library, search: tuple[str, ...] = ()) -> tuple[frozenset[str], ...]:
        found = [self.private[place][library] for place in search if library in self.private.get(place, {})]
        return (*found, *((self.libraries[library],) if library in self.libraries else ()))

    def at(self, library: Library, directory: str) -> frozenset[str] | None:
        return self.private.get(directory, {}).get(library)

    def keeps(self, replaced: frozenset[str], library: Library, still: Collection[str] = (), *, gone: bool = False) -> bool:
        return self.kept

    def depends(self, name: str) -> frozenset[str]:
        return self.declared.get(name, frozenset())

    dependencies = depends

    def leads(self, need: Need, search: Collection[str], owners: Collection[str]) -> bool:
        return any((place, need.library) in self.usual for place in search)

    def privately(self, need: Need, owners: Collection[str], without: Collection[str]) -> bool:
        return any(
            need.library in has and meets(need, has[need.library]) for cp in owners if (has := self.elsewhere.get(cp, {}))
        )

    def owners(self, library: Library) -> frozenset[str]:
        return self.owned.get(library, frozenset())

    def users(self, library: Library) -> Iterable[User]:
        return self.needed.get(library, ())


def need(soname: str, *versions: str, category: str = A, plugin: bool = False) -> Need:
    return Need(category, soname, frozenset(versions), plugin)


def lib(soname: str, *versions: str) -> dict[Library, frozenset[str]]:
    return {(A, soname): frozenset(versions)}


def binary(name: str, *needs: Need, defines: dict[Library, frozenset[str]] | None = None, **more: object) -> Step:
    return Step(f"{name}-1", name, "binary", SymbolContract(needs, defines or {}), **more)  # type: ignore[arg-type]


def pairs(edges: Iterable[Edge]) -> set[tuple[int, int]]:
    return {(edge.earlier, edge.later) for edge in edges}


CXX = Fake(lib("libstdc++.so.6", "C_1"), {(A, "libstdc++.so.6"): frozenset({"sys-devel/gcc"})})


def test_need_met_later_becomes_an_edge() -> None:
    verdict = check(
        [binary("a/a", need("libstdc++.so.6", "C_2")), binary("sys-devel/gcc", defines=lib("libstdc++.so.6", "C_1", "C_2"))],
        CXX,
    )
    assert pairs(verdict.edges) == {(1, 0)}
    assert verdict.problems == ()


def test_need_met_earlier_only_by_the_list_becomes_an_edge_too() -> None:
    verdict = check(
        [binary("sys-devel/gcc", defines=lib("libstdc++.so.6", "C_1", "C_2")), binary("a/a", need("libstdc++.so.6", "C_2"))],
        CXX,
    )
    assert pairs(verdict.edges) == {(0, 1)}


def test_need_that_the_system_meets_asks_for_nothing() -> None:
    verdict = check(
        [binary("sys-devel/gcc", defines=lib("libstdc++.so.6", "C_1", "C_2")), binary("a/a", need("libstdc++.so.6", "C_1"))],
        CXX,
    )
    assert verdict.edges == verdict.problems == ()


def test_need_that_nothing_meets_is_a_problem_with_what_is_missing() -> None:
    (problem,) = check([binary("a/a", need("libstdc++.so.6", "C_1", "C_3"))], CXX).problems
    assert (problem.missing, problem.found, problem.victim) == ({"C_3"}, True, None)
    (problem,) = check([binary("a/a", need("libno.so.1"))], CXX).problems
    assert not problem.found


def test_toolchain_that_is_still_to_be_compiled_is_waited_for_and_never_a_refusal() -> None:
    gcc = Step("sys-devel/gcc-14", "sys-devel/gcc", "source", may=frozenset({(A, "libstdc++.so.6")}))
    steps = [binary("a/a", need("libstdc++.so.6", "C_9")), gcc]
    verdict = check(steps, CXX)
    assert pairs(verdict.edges) == {(1, 0)}
    assert verdict.problems == ()


def test_unrelated_package_to_be_compiled_excuses_no_missing_version() -> None:
    steps = [binary("a/a", need("libstdc++.so.6", "C_9")), Step("a/b-1", "a/b", "source")]
    assert len(check(steps, CXX).problems) == 1


def test_library_that_is_nowhere_may_come_from_what_is_compiled() -> None:
    wants = binary("a/a", need("libnew.so.1"))
    assert check([wants, Step("a/b-1", "a/b", "source", may=None)], CXX).problems == ()
    known = Step("a/b-1", "a/b", "source")
    assert len(check([wants, known], CXX).problems) == 1
    assert check([wants, known], Fake(declared={"a/a-1": frozenset({"a/b"})})).problems == ()


def test_replaced_library_is_what_its_successor_defines() -> None:
    foo = Fake(lib("libfoo.so.1", "F_1", "F_2"))
    down = binary("l/foo", defines=lib("libfoo.so.1", "F_1"), removes=lib("libfoo.so.1", "F_1", "F_2"))
    verdict = check([down, binary("a/a", need("libfoo.so.1", "F_2"))], foo)
    assert [p.missing for p in verdict.problems] == [{"F_2"}]
    verdict = check([binary("a/a", need("libfoo.so.1", "F_2")), down], foo)
    assert [(p.step, p.victim) for p in verdict.problems] == [(1, "a/a-1")]


def test_downgrade_under_an_installed_program_and_one_that_goes_too() -> None:
    foo = Fake(lib("libfoo.so.1", "F_1", "F_2"), needed={(A, "libfoo.so.1"): [User("a/user-1", need("libfoo.so.1", "F_2"))]})
    down = binary("l/foo", defines=lib("libfoo.so.1", "F_1"), removes=lib("libfoo.so.1", "F_1", "F_2"))
    assert [p.victim for p in check([down], foo).problems] == ["a/user-1"]
    rebuilt = Step("a/user-2", "a/user", "source", replaces=frozenset({"a/user-1"}))
    assert check([down, rebuilt], foo).problems == ()


def test_removed_library_breaks_its_users_unless_it_is_preserved() -> None:
    foo = Fake(lib("libfoo.so.1", "F_1"), needed={(A, "libfoo.so.1"): [User("a/user-1", need("libfoo.so.1", "F_1"))]})
    for kind in ("binary", "uninstall"):
        gone = Step("l/foo-2", "l/foo", kind, SymbolContract(), frozenset({"l/foo-1"}), lib("libfoo.so.1", "F_1"))  # type: ignore[arg-type]
        assert [p.victim for p in check([gone], foo).problems] == ["a/user-1"]
    kept = Step(
        "l/foo-2", "l/foo", "binary", SymbolContract(), frozenset({"l/foo-1"}), lib("libfoo.so.1", "F_1"), preserves=True
    )
    assert check([kept, binary("a/a", need("libfoo.so.1", "F_1"))], foo).problems == ()


FOO = lib("libfoo.so.1", "F_1", "F_2")
USED = Fake(FOO, needed={(A, "libfoo.so.1"): [User("a/user-1", need("libfoo.so.1", "F_2"))]})


def uninstall(**more: object) -> Step:
    return Step("l/foo-1", "l/foo", "uninstall", None, frozenset({"l/foo-1"}), FOO, **more)  # type: ignore[arg-type]


def test_uninstall_that_makes_room_for_the_same_library() -> None:
    ng = binary("l/foo-ng", defines=FOO)
    assert check([ng, uninstall()], USED).problems == ()  # a soft blocker: the files are the new package's by then
    assert check([uninstall(), ng], USED).problems == ()  # a hard one
    lite = binary("l/foo-lite", defines=lib("libfoo.so.1", "F_1"))
    assert [p.missing for p in check([lite, uninstall()], USED).problems] == [{"F_2"}]
    assert [p.victim for p in check([uninstall(), lite], USED).problems] == ["a/user-1"]
    assert check([uninstall(), Step("l/foo-ng-1", "l/foo-ng", "source")], USED).problems == ()


def test_uninstall_of_one_of_two_copies() -> None:
    assert check([uninstall(leaves=FOO)], USED).problems == ()
    (problem,) = check([uninstall(leaves=lib("libfoo.so.1", "F_1"), preserves=True)], USED).problems
    assert (problem.victim, problem.missing, problem.found) == ("a/user-1", {"F_2"}, True)


def test_program_with_a_private_copy_is_not_broken_by_what_others_lose() -> None:
    user = User("a/user-1", need("libfoo.so.1", "F_2"), ("/opt/p",))
    world = Fake(FOO, needed={(A, "libfoo.so.1"): [user]}, private={"/opt/p": FOO})
    assert check([uninstall()], world).problems == ()
    assert check([binary("l/foo", defines=lib("libfoo.so.1", "F_1"), removes=FOO)], world).problems == ()


def test_program_that_is_broken_already_is_nobodys_fault() -> None:
    world = Fake(FOO, needed={(A, "libfoo.so.1"): [User("a/user-1", need("libfoo.so.1", "F_9"))]})
    assert check([uninstall()], world).problems == ()


def test_new_slot_takes_nothing_away() -> None:
    verdict = check(
        [binary("sys-devel/gcc", defines=lib("libstdc++.so.6", "C_2")), binary("a/a", need("libstdc++.so.6", "C_1"))], CXX
    )
    assert verdict.problems == ()


def test_exempt_package_still_provides() -> None:
    gcc = binary("sys-devel/gcc", need("libnothing.so.1"), defines=lib("libstdc++.so.6", "C_2"), exempt=True)
    verdict = check([binary("a/a", need("libstdc++.so.6", "C_2")), gcc], CXX)
    assert pairs(verdict.edges) == {(1, 0)}
    assert verdict.problems == ()


def test_category_that_cannot_run_is_not_judged_and_another_does_not_help() -> None:
    assert check([binary("a/a", need("libstdc++.so.6", "C_2", category="x86_32"))], CXX).problems == ()
    other = binary("l/x", defines={("x86_32", "libstdc++.so.6"): frozenset({"C_2"})})
    assert len(check([binary("a/a", need("libstdc++.so.6", "C_2")), other], CXX).problems) == 1


def test_private_library_is_found_by_runpath_only_by_who_names_it() -> None:
    world = Fake(private={"/opt/p": lib("libp.so.1", "P_1")})
    named = Step("a/a-1", "a/a", "binary", SymbolContract((need("libp.so.1", "P_1"),), {}, {A: ("/opt/p",)}))
    assert check([named], world).problems == ()
    assert len(check([binary("a/b", need("libp.so.1", "P_1"))], world).problems) == 1


OWN = (A, "libown.so.1")
SEARCHING = User("a/user-1", need("libown.so.1", "O_1"), ("/opt/p",))
PRIVATE = Fake(private={"/opt/p": lib("libown.so.1", "O_1")}, needed={OWN: [SEARCHING]})


def hiding(kind: str = "binary", **more: object) -> Step:
    """A step that takes libown.so.1 out of /opt/p."""
    contract = SymbolContract() if kind == "binary" else None
    more = {"replaces": frozenset({"l/own-1"}), "hides": {("/opt/p", OWN): frozenset({"O_1"})}, **more}
    return Step("l/own-2", "l/own", kind, contract, **more)  # type: ignore[arg-type]


def seeing(*directories: str, **private: dict[Library, frozenset[str]]) -> Fake:
    """/opt/p has libown.so.1 and the program looks there and in ``directories``, of which /opt/q has ``q``."""
    user = User("a/user-1", need("libown.so.1", "O_1"), ("/opt/p", *directories))
    return Fake(private=PRIVATE.private | {f"/opt/{name}": has for name, has in private.items()}, needed={OWN: [user]})


def test_library_that_hides_the_one_that_a_program_needs() -> None:
    """/opt/q comes before /opt/p in the RUNPATH of the only program, whose loader therefore takes what is new there."""
    for ordered, versions, problems in ((True, ("O_0",), 1), (False, ("O_0",), 0), (True, ("O_1",), 0), (True, (), 0)):
        user = User("a/user-1", need("libown.so.1", "O_1"), ("/opt/q", "/opt/p"), ordered)
        world = Fake(private=PRIVATE.private, needed={OWN: [user]})
        brings = Step("l/other-1", "l/other", "binary", SymbolContract((), {}, {}, {("/opt/q", OWN): frozenset(versions)}))
        found = check([brings], world).problems
        assert len(found) == problems, (ordered, versions)
        assert all((one.victim, one.missing, one.found, one.hides) == ("a/user-1", {"O_1"}, True, True) for one in found)
        # A later step that puts what is needed in front of it comes first.
        better = Step("l/third-1", "l/third", "binary", SymbolContract((), {}, {}, {("/opt/q", OWN): frozenset({"O_1"})}))
        assert check([brings, better], world).problems == ()


@pytest.mark.parametrize("kind", ["binary", "uninstall"])
def test_private_library_that_goes_is_missed_by_whoever_finds_it_by_runpath(kind: str) -> None:
    (problem,) = check([hiding(kind)], PRIVATE).problems
    assert (problem.victim, problem.missing, problem.found) == ("a/user-1", {"O_1"}, False)
    assert check([hiding(kind, preserves=True)], PRIVATE).problems == ()
    lesser = Fake(lib("libown.so.1", "O_0"), private=PRIVATE.private, needed=PRIVATE.needed, kept=False)
    (problem,) = check([hiding(kind, preserves=True)], lesser).problems
    assert problem.found
    assert check([hiding(kind)], Fake(lib("libown.so.1", "O_1"), private=PRIVATE.private, needed=PRIVATE.needed)).problems == ()
    assert check([hiding(kind)], seeing("/opt/q", q=lib("libown.so.1"))).problems == ()
    assert len(check([hiding(kind)], seeing(q=lib("libown.so.1"))).problems) == 1


def test_private_library_that_goes_and_is_public_by_then_or_later() -> None:
    public = binary("l/new", defines=lib("libown.so.1", "O_1"))
    verdict = check([public, hiding()], PRIVATE)
    assert (verdict.problems, pairs(verdict.edges)) == ((), {(0, 1)})
    verdict = check([hiding(), public], PRIVATE)
    assert (verdict.problems, pairs(verdict.edges)) == ((), {(1, 0)})
    lesser = binary("l/new", defines=lib("libown.so.1", "O_0"))
    assert [p.victim for p in check([lesser, hiding()], PRIVATE).problems] == ["a/user-1"]


def test_private_library_that_goes_harms_nobody_who_goes_or_did_not_find_it() -> None:
    rebuilt = Step("a/user-2", "a/user", "source", replaces=frozenset({"a/user-1"}))
    assert check([hiding(), rebuilt], PRIVATE).problems == ()
    assert check([hiding("uninstall"), Step("a/b-1", "a/b", "source")], PRIVATE).problems == ()
    elsewhere = Fake(private=PRIVATE.private, needed={OWN: [User("a/user-1", need("libown.so.1", "O_1"))]})
    assert check([hiding()], elsewhere).problems == ()


def bringing(name: str, *versions: str, where: str = "/opt/p") -> Step:
    """A binary with libown.so.1 in ``where``."""
    private: dict[Placed, frozenset[str]] = {(where, OWN): frozenset(versions)}
    return Step(f"{name}-1", name, "binary", SymbolContract(private=private))


def looking(*versions: str, contract: SymbolContract | None = None) -> Step:
    """A binary that needs libown.so.1 and looks in /opt/p."""
    found = SymbolContract((need("libown.so.1", *versions),), {}, {A: ("/opt/p",)})
    return Step("a/tool-1", "a/tool", "binary", contract or found)


def test_private_library_that_the_list_brings_is_found_by_runpath_and_comes_first() -> None:
    for steps, wanted in (([looking("O_1"), bringing("l/own", "O_1")], (1, 0)), ([bringing("l/own"), looking("O_1")], (0, 1))):
        verdict = check(steps, Fake())
        assert (pairs(verdict.edges), verdict.problems) == ({wanted}, ())
    more = Step("l/own-1", "l/own", "binary", SymbolContract(private={("/opt/p", (A, ANY)): frozenset()}))
    assert pairs(check([looking("O_1"), more], Fake()).edges) == {(1, 0)}


def test_private_library_that_lacks_a_version_is_none() -> None:
    (problem,) = check([bringing("l/own", "O_0"), looking("O_1")], Fake()).problems
    assert (problem.missing, problem.found) == ({"O_1"}, True)


def test_private_library_that_an_update_gives_up_or_cuts_breaks_who_finds_it_there() -> None:
    hides = {("/opt/p", OWN): frozenset({"O_1"})}
    lesser = Step("l/own-2", "l/own", "binary", bringing("l/own", "O_0").contract, frozenset({"l/own-1"}), hides=hides)
    assert [problem.victim for problem in check([lesser], PRIVATE).problems] == ["a/user-1"]
    same = Step("l/own-2", "l/own", "binary", bringing("l/own", "O_1").contract, frozenset({"l/own-1"}), hides=hides)
    assert check([same], PRIVATE).problems == ()


def test_old_contract_says_nothing_about_private_libraries() -> None:
    """What it may have is waited for, and what it may lose is lost by nobody's word."""
    old = Step("l/own-1", "l/own", "binary", SymbolContract(private=None), may=frozenset({OWN}))
    verdict = check([looking("O_1"), old], Fake())
    assert (pairs(verdict.edges), verdict.problems) == ({(1, 0)}, ())
    assert check([hiding(), old], PRIVATE).problems == ()


def test_what_a_dependency_has_anywhere_is_not_missing() -> None:
    """A script with LD_LIBRARY_PATH may lead there; what is another package's own helps nobody."""
    tool = binary("a/tool", need("libown.so.1", "O_1"))
    has = {"l/own": lib("libown.so.1", "O_1")}
    declared = {"a/tool-1": frozenset({"l/own"})}
    assert check([tool], Fake(declared=declared, elsewhere=has)).problems == ()
    assert len(check([tool], Fake(elsewhere=has)).problems) == 1
    assert len(check([tool], Fake(declared=declared, elsewhere={"l/own": lib("libown.so.1", "O_0")})).problems) == 1
    verdict = check([tool, bringing("l/own", "O_1")], Fake(declared=declared))
    assert (pairs(verdict.edges), verdict.problems) == ({(1, 0)}, ())
    assert len(check([tool, bringing("l/own", "O_1")], Fake()).problems) == 1


def test_what_is_found_by_runpath_is_missing_where_a_dependency_has_it_elsewhere() -> None:
    has = {"l/own": lib("libown.so.1", "O_1")}
    declared = {"a/tool-1": frozenset({"l/own"})}
    assert check([looking("O_1")], Fake(declared=declared, elsewhere=has)).problems == ()
    usual = frozenset({("/opt/p", OWN)})
    assert len(check([looking("O_1"), compiled("a/new")], Fake(declared=declared, usual=usual)).problems) == 1
    assert len(check([looking("O_1")], Fake(declared=declared, elsewhere=has, usual=usual)).problems) == 1
    assert (
        len(check([bringing("l/own", "O_1", where="/opt/q"), looking("O_1")], Fake(declared=declared, usual=usual)).problems)
        == 1
    )


def test_what_a_script_leads_to_is_not_taken_away() -> None:
    user = User("a/user-1", need("libown.so.1", "O_1"))
    declared = {"a/user-1": frozenset({"l/own"})}
    for missing, world in (({"O_1"}, declared), (set(), {})):
        system = Fake(private=PRIVATE.private, needed={OWN: [user]}, declared=world)
        for step in (hiding(), Step("l/own-2", "l/own", "binary", bringing("l/own", "O_0").contract, hides=hiding().hides)):
            assert {version for one in check([step], system).problems for version in one.missing} == missing


def compiled(name: str, may: frozenset[Library] | None = None, **more: object) -> Step:
    return Step(f"{name}-2", name, "source", may=may, **more)  # type: ignore[arg-type]


OWNED = {(A, "libfoo.so.1"): frozenset({"l/old"})}
WANTS = binary("a/a", need("libfoo.so.1", "F_2"))


def test_what_is_compiled_provides_what_is_known_of_its_other_versions() -> None:
    foo = frozenset({(A, "libfoo.so.1")})
    ownerless = Fake(lib("libfoo.so.1", "F_1"))
    verdict = check([WANTS, compiled("l/foo", foo)], ownerless)
    assert (pairs(verdict.edges), verdict.problems) == ({(1, 0)}, ())
    # Nobody knows what a package has that was never built: it counts where the library is nobody's, or for who declares it.
    assert pairs(check([WANTS, compiled("l/foo")], ownerless).edges) == {(1, 0)}
    owned = Fake(lib("libfoo.so.1", "F_1"), OWNED)
    assert len(check([WANTS, compiled("l/foo")], owned).problems) == 1
    owned.declared = {"a/a-1": frozenset({"l/foo"})}
    assert pairs(check([WANTS, compiled("l/foo")], owned).edges) == {(1, 0)}
    assert len(check([WANTS, compiled("l/foo", frozenset())], owned).problems) == 1


def test_library_that_moves_to_a_compiled_package_waits_for_the_old_owner_and_the_new() -> None:
    foo = frozenset({(A, "libfoo.so.1")})
    world = Fake(lib("libfoo.so.1", "F_1"), OWNED, declared={"a/a-1": frozenset({"l/new"})})
    old = compiled("l/old", foo, replaces=frozenset({"l/old-1"}), removes=lib("libfoo.so.1", "F_1"))
    for new in (compiled("l/new"), compiled("l/new", foo)):
        assert pairs(check([old, new, WANTS], world).edges) == {(0, 2), (1, 2)}
        assert pairs(check([old, WANTS, new], world).edges) == {(0, 1), (2, 1)}


def test_library_that_is_split_off_comes_before_it_goes() -> None:
    split = binary("l/split", defines=FOO)
    rest = binary("l/foo", removes=FOO, replaces=frozenset({"l/foo-1"}))
    verdict = check([rest, split], USED)
    assert (pairs(verdict.edges), verdict.problems) == ({(1, 0)}, ())
    assert pairs(check([split, rest], USED).edges) == {(0, 1)}
    verdict = check([rest, compiled("l/split", frozenset({(A, "libfoo.so.1")}))], USED)
    assert (pairs(verdict.edges), verdict.problems) == ({(1, 0)}, ())


def test_program_that_is_rebuilt_is_rebuilt_first_where_it_runs_on_what_is_there() -> None:
    down = binary("l/foo", defines=lib("libfoo.so.1", "F_1"), removes=FOO, replaces=frozenset({"l/foo-2"}))
    user = Step("a/user-2", "a/user", "binary", SymbolContract((need("libfoo.so.1", "F_1"),)), frozenset({"a/user-1"}))
    assert pairs(check([down, user], USED).edges) == {(1, 0)}
    assert pairs(check([user, down], USED).edges) == {(0, 1)}
    # Not when it needs what comes.
    next_user = Step("a/user-2", "a/user", "binary", SymbolContract((need("libfoo.so.2"),)), frozenset({"a/user-1"}))
    bump = binary("l/foo", defines=lib("libfoo.so.2"), removes=FOO, replaces=frozenset({"l/foo-2"}))
    verdict = check([bump, next_user], USED)
    assert (pairs(verdict.edges), verdict.problems) == ({(0, 1)}, ())


def test_program_whose_successor_would_not_run_is_broken_like_any_other() -> None:
    """Without dependencies only the guard judges the successor, and the program that it leaves in place has to run."""
    down = binary("l/foo", defines=lib("libfoo.so.1", "F_1"), removes=FOO, replaces=frozenset({"l/foo-2"}))
    again = Step("a/user-1", "a/user", "binary", SymbolContract((need("libfoo.so.1", "F_2"),)), frozenset({"a/user-1"}))
    assert {(one.step, one.victim) for one in check([down, again], USED).problems} == {(1, None), (0, "a/user-1")}


def test_library_that_portage_does_not_preserve_is_gone_whatever_the_features_say() -> None:
    gone = binary("l/foo", removes=FOO, replaces=frozenset({"l/foo-1"}), preserves=True)
    assert check([gone], USED).problems == ()
    unseen = Fake(FOO, needed=USED.needed, kept=False)
    assert [problem.victim for problem in check([gone], unseen).problems] == ["a/user-1"]


def test_binary_of_the_list_misses_the_private_library_too() -> None:
    tool = Step("a/tool-1", "a/tool", "binary", SymbolContract((SEARCHING.need,), {}, {A: ("/opt/p",)}))
    world = Fake(private=PRIVATE.private)
    assert [p.victim for p in check([tool, hiding()], world).problems] == ["a/tool-1"]


SONAME = st.sampled_from(["a.so", "b.so", "c.so"])
VERSION = st.sampled_from(["1", "2", "3"])
STEP = st.builds(
    lambda n, needs, defines: Step(
        f"x/p{n}-1", f"x/p{n}", "binary",
        SymbolContract(tuple(need(s, *v) for s, v in sorted(needs.items())), {(A, s): v for s, v in defines.items()}),
    ),
    st.integers(0, 9),
    st.dictionaries(SONAME, st.frozensets(VERSION, min_size=1), max_size=2),
    st.dictionaries(SONAME, st.frozensets(VERSION, min_size=1), max_size=2),
)  # fmt: skip


@given(st.lists(STEP, max_size=6), st.dictionaries(SONAME, st.frozensets(VERSION, min_size=1)))
def test_every_edge_and_every_problem_has_a_reason(steps: list[Step], libraries: dict[str, frozenset[str]]) -> None:
    world = Fake({(A, soname): versions for soname, versions in libraries.items()})
    verdict = check(steps, world)
    for edge in verdict.edges:
        contract = steps[edge.later].contract
        provider = steps[edge.earlier].contract
        assert contract is not None
        assert provider is not None
        assert edge.need in contract.needs
        assert edge.need.library in provider.defines
        assert not edge.need.versions <= world.libraries.get(edge.need.library, frozenset())
    for problem in verdict.problems:
        everything = world.libraries.get(problem.need.library, frozenset())
        if problem.victim is None:
            assert not problem.need.versions <= everything
    # Whoever has no problem and whose edges are kept is met, by the system or by somebody in the list.
    troubled = {problem.step for problem in verdict.problems}
    for place, step in enumerate(steps):
        if place in troubled or step.contract is None:
            continue
        for one in step.contract.needs:
            provided = [other.contract.defines.get(one.library, frozenset()) for other in steps if other.contract is not None]
            known = world.libraries.get(one.library, frozenset()).union(*provided)
            assert one.versions <= known


def test_edges_that_contradict_each_other_are_told_from_the_others() -> None:
    assert on_cycle([("a", "b"), ("b", "a"), ("c", "a"), ("b", "d")]) == {("a", "b"), ("b", "a")}
    assert on_cycle([("a", "b"), ("b", "c"), ("a", "c")]) == frozenset()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14))
def test_contradiction_is_exactly_a_way_back(pairs: list[tuple[int, int]]) -> None:
    def reaches(start: int, end: int) -> bool:
        reached, size = {start}, 0
        while size != len(reached):
            size = len(reached)
            reached |= {later for earlier, later in pairs if earlier in reached}
        return end in reached

    assert on_cycle(pairs) == {(earlier, later) for earlier, later in pairs if reaches(later, earlier)}
