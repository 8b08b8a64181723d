"""Verdicts from facts alone: order, remedies that a shell takes as they are meant, and which change wins most."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from portage_ext.explain import reasons
from portage_ext.explain.fetched import troubles
from portage_ext.explain.reasons import judge
from portage_ext.explain.verdict import (
    BINHOST,
    HERE,
    Change,
    Exclusion,
    Facts,
    Flag,
    Listing,
    Mask,
    Offer,
    OtherProfile,
    Places,
    Reason,
    Remedy,
    Verdict,
    Wanted,
    closeness,
)
from portage_ext.explain.winning import best_change, top_reasons

OFFER = Offer("app-misc/a-1", "app-misc/a", "1", "0", "0", "lab", "1", 1_700_000_000, 1, 1_700_000_000)
WANTED = Wanted("app-misc/a-1", "app-misc/a", "1", "0", "0", "tiny", "ebuild")
ETC = "/etc/portage"
PLACES = Places(
    f"{ETC}/package.env",
    f"{ETC}/env/getbinpkg.conf",
    False,
    f"{ETC}/package.use",
    f"{ETC}/package.mask",
    f"{ETC}/profile/package.use.force",
    f"{ETC}/profile/package.use.mask",
    f"{ETC}/make.conf",
    missing=frozenset({f"{ETC}/env"}),
)
UNLISTED = Listing(False, "unlisted")


def kinds(verdict: Verdict) -> list[str]:
    return [reason.kind for reason in verdict.reasons]


def test_nothing_against_it() -> None:
    assert judge(Facts(OFFER, 0), WANTED, PLACES).reasons == ()


def test_every_reason_is_told_in_the_order_of_the_resolver() -> None:
    flag = Flag("foo", "on", "off", "make.conf", "USE of the binhost")
    facts = Facts(OFFER, 0, listing=UNLISTED, flags=(flag,), changed_deps=("RDEPEND: +x",), unsatisfied=("dev-libs/b:0/1=",))
    assert kinds(judge(facts, WANTED, PLACES)) == ["unlisted", "use", "dependencies", "bindings"]


def test_an_env_file_is_made_where_there_is_none() -> None:
    (reason,) = judge(Facts(OFFER, 0, listing=UNLISTED), WANTED, PLACES).reasons
    assert [step.command for step in reason.remedies] == [
        f"mkdir -p {ETC}/env && echo 'FEATURES=\"getbinpkg\"' >> {ETC}/env/getbinpkg.conf",
        f"echo 'app-misc/a getbinpkg.conf' >> {ETC}/package.env",
    ]


def test_a_binary_that_would_not_do_for_other_packages_is_built_anew() -> None:
    rebuild = "emerge --oneshot --buildpkg =app-misc/a-1"
    for order in (-1, 0, 1):
        (reason,) = judge(Facts(OFFER, order, needed=("app-misc/b-1 needs app-misc/a:0/2",)), WANTED, PLACES).reasons
        assert [step.command for step in reason.remedies] == [rebuild]
        assert reason.details[-1] == "app-misc/b-1 needs app-misc/a:0/2"


def test_the_resolver_is_quoted_only_where_nothing_else_is_known() -> None:
    assert kinds(judge(Facts(OFFER, 0, set_aside="slot conflict"), WANTED, PLACES)) == ["resolver"]
    assert kinds(judge(Facts(OFFER, 0, listing=UNLISTED, set_aside="slot conflict"), WANTED, PLACES)) == ["unlisted"]


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1), st.booleans())
def test_an_appended_line_arrives_as_it_is(tmp_path_factory: object, line: str, unfinished: bool) -> None:
    file = Path(tmp_path_factory.mktemp("append"), "a file")  # type: ignore[attr-defined]
    file.write_text("before" if unfinished else "before\n")
    places = replace(PLACES, unfinished=frozenset({str(file)} if unfinished else ()))
    subprocess.run(["sh", "-c", places.append(str(file), line).command], check=True)
    assert file.read_text() == f"before\n{line}\n"


def blocked(cpv: str, *changes: Change | None) -> Verdict:
    return Verdict(replace(OFFER, cpv=cpv), tuple(Reason("use", "", change=change) for change in changes))


def test_the_change_that_wins_most_is_enough_by_itself() -> None:
    one, other = Change("one", ""), Change("other", "")
    verdicts = [
        (blocked("a", one), 10.0),
        (blocked("b", one), None),
        (blocked("c", other), 900.0),
        (blocked("d", one, other), 900.0),
        (blocked("e", None), 900.0),
    ]
    win = best_change(verdicts)
    assert win is not None
    assert (win.change, win.packages, win.seconds) == (one, ("a", "b"), 10.0)
    assert best_change([(blocked("a", one), 10.0), (blocked("c", other), 900.0)]).change == other  # type: ignore[union-attr]
    assert best_change([(blocked("e", None), 1.0)]) is None
    assert top_reasons(verdict for verdict, _ in verdicts) == [("use", 5)]


def test_the_closest_candidate_comes_first() -> None:
    far = judge(Facts(OFFER, 0, listing=UNLISTED, unsatisfied=("x",)), WANTED, PLACES)
    fixable = judge(Facts(OFFER, 0, listing=UNLISTED), WANTED, PLACES)
    foreign = judge(Facts(OFFER, 0, unsatisfied=("x",)), WANTED, PLACES)
    assert sorted([far, foreign, fixable], key=closeness) == [fixable, foreign, far]


# --- each fact is one reason of one kind, with the command that ends it

REBUILD = "emerge --oneshot --buildpkg =app-misc/a-1"
OLD = "emerge --oneshot --useoldpkg-atoms=app-misc/a"
TAKE = "emerge --oneshot =app-misc/a-1"


def only(facts: Facts) -> Reason:
    (reason,) = judge(facts, WANTED, PLACES).reasons
    return reason


def commands(reason: Reason) -> list[str]:
    return [step.command for step in reason.remedies]


@pytest.mark.parametrize(
    ("facts", "kind", "first"),
    [
        (
            Facts(OFFER, 0, listing=Listing(False, off="FEATURES")),
            "off",
            TAKE,
        ),
        (Facts(OFFER, 0, exclusions=(Exclusion("--usepkg-exclude", "a", "the command line"),)), "excluded", TAKE),
        (Facts(OFFER, 0, exclusions=(Exclusion("getbinpkg-exclude", "a", "f:1", "sed x"),)), "excluded", "sed x"),
        (Facts(OFFER, -1), "version", f"{OLD} app-misc/a:0"),
        (Facts(OFFER, -1, needed=("x",)), "version", REBUILD),
        (Facts(OFFER, 1), "version", TAKE),
        (Facts(OFFER, 1, asked=("<app-misc/a-1",)), "version", TAKE),
        (Facts(OFFER, 1, needed=("x",)), "version", REBUILD),
        (Facts(OFFER, 0, ebuild="gone"), "no-ebuild", f"{OLD} =app-misc/a-1"),
        (Facts(OFFER, 0, ebuild="masked"), "no-ebuild", f"{OLD} =app-misc/a-1"),
        (Facts(OFFER, 0, slot_here="0/2"), "slot", REBUILD),
        (Facts(OFFER, 0, changed_deps=("RDEPEND: +x",)), "dependencies", REBUILD),
        (Facts(OFFER, 0, unsatisfied=("a/b:0/1=",)), "bindings", REBUILD),
        (Facts(OFFER, -1, masks=(Mask("keywords", "masked: ~amd64", Remedy(HERE, "x")),)), "keywords", "x"),
    ],
)
def test_a_fact_is_one_reason_with_its_command(facts: Facts, kind: str, first: str) -> None:
    reason = only(facts)
    assert (reason.kind, commands(reason)[0]) == (kind, first)


def test_a_mask_that_nothing_lifts_has_no_command() -> None:
    assert only(Facts(OFFER, 0, masks=(Mask("masked", "masked: invalid"),))).remedies == ()


def test_the_atom_that_holds_a_package_back_is_the_one_that_lets_it_come() -> None:
    listing = Listing(False, "off", atom="=app-misc/a-1", where=f"{ETC}/package.env:3: =app-misc/a-1 off")
    places = replace(PLACES, env_exists=True)
    (reason,) = judge(Facts(OFFER, 0, listing=listing), WANTED, places).reasons
    assert (reason.kind, commands(reason)) == ("off", [f"echo '=app-misc/a-1 getbinpkg.conf' >> {ETC}/package.env"])


def test_a_binhost_is_added_to_those_that_are_allowed() -> None:
    listing = Listing(False, "binhost", allowed=("own",), where="x:1")
    reason = only(Facts(OFFER, 0, listing=listing))
    assert reason.kind == "binhost"
    assert commands(reason)[0].endswith(f"echo 'GETBINPKG_FROM=\"own lab\"' >> {ETC}/env/from-lab.conf")
    assert commands(reason)[1] == f"echo 'app-misc/a from-lab.conf' >> {ETC}/package.env"


def test_flags_are_set_as_the_binhost_has_them_and_what_is_fixed_is_freed_first() -> None:
    flags = (Flag("foo", "on", "off", "", "", fixed="force"), Flag("bar", "off", "on", "", ""))
    reason = only(Facts(OFFER, 0, flags=flags))
    assert reason.kind == "use"
    assert commands(reason) == [
        f"echo 'app-misc/a -foo' >> {ETC}/profile/package.use.force",
        f"echo 'app-misc/a bar -foo' >> {ETC}/package.use",
    ]
    assert reason.change is None, "for every package the profile would have to be another"


def test_a_whole_group_is_written_for_every_package() -> None:
    group = {"group": "python_targets", "values": ("python3_11", "python3_12")}
    flags = (
        Flag("python_targets_python3_12", "on", "off", "", "", **group),  # type: ignore[arg-type]
        Flag("python_targets_python3_13", "off", "on", "", "", **group),  # type: ignore[arg-type]
    )
    reason = only(Facts(OFFER, 0, flags=flags))
    assert (reason.kind, reason.change and reason.change.key) == ("use-expand", 'PYTHON_TARGETS="python3_11 python3_13"')


def test_flags_that_only_one_side_knows_are_another_ebuilds() -> None:
    for implicit, kind in ((False, "iuse"), (True, "iuse-implicit")):
        reason = only(Facts(OFFER, 0, flags=(Flag("foo", "absent", "on", "", "", implicit=implicit),)))
        assert (reason.kind, commands(reason)) == (kind, [REBUILD])


def test_what_the_profile_decides_is_one_reason_and_the_other_profile_one_way_out() -> None:
    facts = Facts(
        OFFER,
        0,
        masks=(Mask("mask", "masked: x", Remedy(HERE, "unmask"), profile=True),),
        flags=(Flag("foo", "on", "off", "", "", profile=True),),
        profile=OtherProfile("tiny:here", "tiny:there", "ln -sfn there here"),
    )
    reason = only(facts)
    assert reason.kind == "profile"
    assert commands(reason) == ["unmask", f"echo 'app-misc/a -foo' >> {ETC}/package.use", "ln -sfn there here"]
    assert reason.remedies[-1].instead
    assert reason.change is not None
    assert reason.change.command == "ln -sfn there here"


@pytest.mark.parametrize(
    ("error", "command"),
    [
        ("expired-release", "portage-ext release resign"),
        ("unknown-key", "portage-ext trust list"),
        ("rollback", "portage-ext release show"),
    ],
)
def test_a_refused_index_is_seen_to_where_it_can_be(error: str, command: str) -> None:
    assert commands(troubles.refused("lab", error, "why")) == [command]


def test_an_address_is_quoted_for_the_shell() -> None:
    assert commands(troubles.unreachable("lab", "http://h/a b/", "why", "")) == ["wget --spider 'http://h/a b/Packages'"]


def test_symbols_are_the_plan_checks_own_words_and_ways() -> None:
    reason = reasons.symbols(["a needs b\n  add it: emerge b\n  or build it: emerge a", "and c"])
    assert commands(reason) == ["emerge b", "emerge a"]
    assert [step.instead for step in reason.remedies] == [False, True]
    assert reason.details == ("a needs b", "and c")


def test_a_package_for_another_cpu_is_told_and_taken() -> None:
    for binrepo, where in ((None, HERE), ("lab", BINHOST)):
        reason = reasons.cpu(replace(OFFER, binrepo=binrepo), "-march=x", ["avx2"], 2)
        assert not reason.blocks
        assert reason.remedies[0].where == where
        assert "-march=x86-64-v2" in reason.remedies[0].command
