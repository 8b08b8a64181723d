"""What counts as losing most: an emptied directory is refused at every size, a clean-up and a rebuild are not."""

from __future__ import annotations

import pytest

from portage_ext.errors.releases import EmptiedReleaseError
from portage_ext.policy.losses import check_release, loses_most, lost_packages

SIZES = range(1, 41)


def paths(count: int, build: int = 1, first: int = 0) -> list[str]:
    return [f"app-misc/p{number}/p{number}-1-{build}.gpkg.tar" for number in range(first, first + count)]


def verdict(before: list[str], after: list[str], left_out: tuple[str, ...] = ()) -> bool:
    return loses_most(len(before), len(after), *lost_packages(before, after, left_out))


@pytest.mark.parametrize("size", SIZES)
def test_an_emptied_directory_is_refused_and_what_emerge_adds_to_it_changes_nothing(size: int) -> None:
    before = paths(size)
    assert verdict(before, [])
    for added in SIZES:
        assert verdict(before, paths(added, first=100)), added
    # Also when emerge builds one again that was there, with another build id.
    if size > 1:
        assert verdict(before, paths(1, build=2))


@pytest.mark.parametrize("size", SIZES)
def test_up_to_half_may_go_and_not_more(size: int) -> None:
    before = paths(size)
    for lost in range(size + 1):
        for added in (0, 1, 5):
            assert verdict(before, before[lost:] + paths(added, first=100)) is (2 * lost > size), (lost, added)


@pytest.mark.parametrize("size", SIZES)
def test_builds_that_were_superseded_may_all_go(size: int) -> None:
    old, new = paths(size), paths(size, build=2)
    assert not verdict(old + new, new)
    assert not verdict(old, new), "all were built again at once, as from xpak to gpkg"
    assert not verdict([f"app-misc/p/p-1-{build}.xpak" for build in range(size + 1)], ["app-misc/p/p-1-0.xpak"])


@pytest.mark.parametrize("size", SIZES)
def test_what_is_on_the_disk_and_left_out_is_lost_though_an_older_build_is_offered(size: int) -> None:
    old, new = paths(size), paths(size, build=2)
    assert verdict(old + new, old, tuple(new)) is False, "half of it"
    assert verdict([*old, *new, *paths(size, build=3)], old, (*new, *paths(size, build=3)))


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("app-misc/foo-1.2-r1.tbz2", "app-misc/foo-2.gpkg.tar"),
        ("app-misc/foo/foo-1.2-1.xpak", "app-misc/foo/foo-1.2-2.gpkg.tar"),
        ("app-misc/foo-bar-1.gpkg.tar", "app-misc/foo-bar/foo-bar-1-1.gpkg.tar"),
    ],
)
def test_the_name_is_found_in_every_layout_of_pkgdir(path: str, other: str) -> None:
    assert lost_packages([path], [other], ()) == (1, 1)
    assert lost_packages([path], ["app-misc/other-1.gpkg.tar", "app-misc/foobar-1.tbz2"], ()) == (1, 0)


REASON = "Manifest: signed by 0123, which the verification keyring has but does not trust"


@pytest.mark.parametrize("live", [None, ()])
@pytest.mark.parametrize(("offered", "left_out"), [(0, 1), (0, 1000), (1, 2), (1, 9), (400, 600)])
def test_a_first_release_that_leaves_most_out_is_refused_with_the_reasons_folded(
    live: tuple[str, ...] | None, offered: int, left_out: int
) -> None:
    why = dict.fromkeys(paths(left_out, first=1000), REASON)
    with pytest.raises(EmptiedReleaseError) as refused:
        check_release("production", live, paths(offered), why)
    text = str(refused.value)
    assert text.count("does not trust") == 1
    for word in ("serves nothing yet", f"would offer {offered}", "--import-ownertrust", "publish --force", "may-be-empty"):
        assert word in text


def test_a_release_that_leaves_few_out_or_keeps_what_is_served_is_made() -> None:
    few = dict.fromkeys(paths(4, first=100), REASON)
    check_release("production", None, paths(4), few)
    check_release("production", None, [], {})
    many = dict.fromkeys(paths(40, first=100), REASON)
    check_release("production", paths(4), paths(5), many)
    with pytest.raises(EmptiedReleaseError):
        check_release("production", paths(5), paths(1), {})
