"""The release, and then the package, that broke something is named after few installations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from portage_ext.errors import UsageError
from portage_ext.host.scratch import Chosen
from portage_ext.releases.halving import Verdict
from portage_ext.tasks.releasing.bisecting import Bisected, Culprit, judged, search
from tests.unit.releases.published import Site, site


class Judge:
    """In place of emerge and a command: ``bad`` and ``skipped`` say of the packages that would be installed what they are."""

    def __init__(self, bad: Callable[[set[str]], bool], skipped: Callable[[set[str]], bool] = lambda names: False) -> None:
        self.bad, self.skipped = bad, skipped
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, chosen: Chosen, atoms: Sequence[str]) -> tuple[Verdict, str]:
        self.asked.append(tuple(atoms))
        names = {entry.get("CPV") for _, entry in chosen.files}
        assert f"PACKAGES: {len(chosen.files)}".encode() in chosen.index
        assert all((directory / entry.path).is_file() for directory, entry in chosen.files)
        if self.skipped(names):
            return Verdict.SKIPPED, "as asked"
        return (Verdict.BAD if self.bad(names) else Verdict.GOOD), ""


def found(made: Site, first: int, last: int, judge: Judge, *install: str) -> Bisected:
    return search(made.tree, first, last, install, judge, lambda what, verdict, why: None)


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """20 releases. Read only."""
    return released(tmp_path_factory.mktemp("twenty"), 20)


def released(work: Path, count: int) -> Site:
    """So many releases; each replaces two of three packages."""
    made = site(work)
    for number in range(1, count + 1):
        for name in ("lib", "tool", "other"):
            if name != "other" or number == 1:
                if number > 1:
                    made.pkgdir.remove(f"app-misc/{name}/{name}-{number - 1}-1.gpkg.tar")
                made.pkgdir.add(f"app-misc/{name}-{number}", RDEPEND="app-misc/lib" if name == "tool" else "")
        made.publish()
    return made


def of(name: str, number: int) -> Callable[[set[str]], bool]:
    """Whether the package ``name`` is of version ``number`` or later."""
    return lambda names: any(f"app-misc/{name}-{one}" in names for one in range(number, 21))


@pytest.mark.parametrize("number", [2, 3, 7, 10, 11, 19, 20])
@pytest.mark.parametrize("name", ["lib", "tool"])
def test_each_culprit_of_twenty_releases_in_at_most_six_installations(twenty: Site, name: str, number: int) -> None:
    judge = Judge(of(name, number))
    done = found(twenty, 1, 20, judge)
    culprit = Culprit(f"app-misc/{name}:0", (f"app-misc/{name}-{number - 1}-1",), (f"app-misc/{name}-{number}-1",))
    assert (done.good, done.bad, done.packages) == (number - 1, number, (culprit,))
    assert done.installations == len(judge.asked) <= 6
    assert set(judge.asked) == {("app-misc/lib:0", "app-misc/tool:0")}, "what never changed is not installed"


def test_a_release_that_cannot_be_tested_is_skipped(twenty: Site) -> None:
    done = found(twenty, 1, 20, Judge(of("lib", 12), lambda names: "app-misc/tool-10" in names))
    assert (done.good, done.bad, done.between) == (11, 12, ())
    done = found(twenty, 1, 20, Judge(of("lib", 12), lambda names: "app-misc/tool-12" in names or "app-misc/tool-11" in names))
    assert (done.good, done.bad, done.between) == (10, 13, (11, 12))


def test_packages_that_cannot_be_told_apart_are_all_named(twenty: Site) -> None:
    # The new library cannot be installed with the old tool.
    done = found(twenty, 1, 20, Judge(of("lib", 5), lambda names: {"app-misc/lib-5", "app-misc/tool-4"} <= names))
    assert (done.bad, [one.name for one in done.packages]) == (5, ["app-misc/lib:0", "app-misc/tool:0"])


def test_what_a_named_package_does_not_need_is_not_asked_about(twenty: Site) -> None:
    judge = Judge(of("lib", 7))
    done = found(twenty, 1, 20, judge, "app-misc/lib")
    assert (done.bad, [one.name for one in done.packages]) == (7, ["app-misc/lib:0"])
    assert set(judge.asked) == {("app-misc/lib:0",)}
    # The tool, which changed in the same release, is not installed and cannot be it, so no package is tried by itself.
    said: list[str] = []
    search(twenty.tree, 1, 20, ["app-misc/lib"], judge, lambda what, verdict, why: said.append(what))
    assert len(said) == done.installations <= 5
    assert not [one for one in said if "changed in" in one]


def test_renewals_and_other_channels_are_no_steps(tmp_path: Path) -> None:
    made = released(tmp_path, 3)
    for _ in range(3):
        made.publisher.renew("production", force="for a test")
    made.pkgdir.add("app-misc/lib-4")
    made.publish("staging")
    made.publish()
    judge = Judge(of("tool", 3))
    assert found(made, 1, 8, judge).bad == 3
    assert len(judge.asked) == 3
    with pytest.raises(UsageError, match="has the same packages as release 3"):
        found(made, 3, 6, judge)


def test_a_package_that_is_gone_or_new_is_named(tmp_path: Path) -> None:
    made = site(tmp_path)
    path = made.pkgdir.add("app-misc/lib-1")
    for name in ("one", "two"):
        made.pkgdir.add(f"app-misc/{name}-1")
    made.publish()
    made.pkgdir.remove(path)
    made.pkgdir.add("app-misc/new-1")
    made.publish()
    gone = found(made, 1, 2, Judge(lambda names: "app-misc/lib-1" not in names))
    assert gone.packages == (Culprit("app-misc/lib:0", ("app-misc/lib-1-1",), ()),)
    new = found(made, 1, 2, Judge(lambda names: "app-misc/new-1" in names))
    assert new.packages == (Culprit("app-misc/new:0", (), ("app-misc/new-1-1",)),)


def test_what_others_need_changes_first(tmp_path: Path) -> None:
    made = site(tmp_path)
    for version in (1, 2):
        for name, needs in (("a", "b"), ("b", "c"), ("c", ""), ("d", "")):
            made.pkgdir.add(f"app-misc/{name}-{version}", RDEPEND=f"=app-misc/{needs}-{version}" if needs else "")
        made.publish()
        for name in "abcd" if version == 1 else "":
            made.pkgdir.remove(f"app-misc/{name}/{name}-1-1.gpkg.tar")

    def unresolved(names: set[str]) -> bool:
        return any(f"app-misc/{one}-2" in names and f"app-misc/{other}-2" not in names for one, other in ("ab", "bc"))

    done = found(made, 1, 2, Judge(lambda names: "app-misc/b-2" in names, unresolved))
    assert [one.name for one in done.packages] == ["app-misc/b:0"]


def test_wrong_ends_are_refused(twenty: Site) -> None:
    for first, last in ((5, 5), (6, 5)):
        with pytest.raises(UsageError, match="GOOD is the older release"):
            found(twenty, first, last, Judge(of("lib", 7)))


def test_the_exit_status_counts_as_for_git() -> None:
    assert [judged(status)[0] for status in (0, 1, 124, 125, 127, None)] == [
        Verdict.GOOD, Verdict.BAD, Verdict.BAD, Verdict.SKIPPED, Verdict.BAD, Verdict.SKIPPED,
    ]  # fmt: skip
    for status in (128, 255, -2):
        with pytest.raises(UsageError, match="says nothing about the release"):
            judged(status)
