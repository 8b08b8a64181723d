"""Verdicts from facts alone: order, remedies that a shell takes as they are meant, and which change wins most."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given

from portage_ext.explain.reasons import judge
from portage_ext.explain.verdict import Change, Facts, Flag, Listing, Offer, Places, Reason, Verdict, Wanted, closeness
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
