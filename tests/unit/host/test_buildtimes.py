"""How long a package takes to build is read from emerge.log, of builds from source that came to their end."""

from __future__ import annotations

from pathlib import Path

from portage_ext import limits
from portage_ext.host import buildtimes

BUILT = """\
{start}:  >>> emerge (1 of 1) {cpv} to /
{start}:  === (1 of 1) Cleaning ({cpv}::/var/db/repos/gentoo/x.ebuild)
{start}:  === (1 of 1) Compiling/Merging ({cpv}::/var/db/repos/gentoo/x.ebuild)
{end}:  ::: completed emerge (1 of 1) {cpv} to /
"""


def built(cpv: str, start: int, seconds: int) -> str:
    return BUILT.format(cpv=cpv, start=start, end=start + seconds)


def test_the_median_of_the_last_five_builds_of_a_name(tmp_path: Path) -> None:
    log = tmp_path / "emerge.log"
    times = (9999, 10, 20, 30, 40, 50)
    log.write_text("".join(built(f"dev-libs/a-b-1.{number}-r1", 1000 * number, took) for number, took in enumerate(times)))
    assert buildtimes.build_seconds(str(log)) == {"dev-libs/a-b": 30}


def test_binaries_and_builds_without_an_end_do_not_count(tmp_path: Path) -> None:
    binary = built("a/b-1", 100, 3).replace("Compiling/Merging", "Merging Binary")
    broken_off = "500:  >>> emerge (1 of 1) a/c-1 to /\n"
    (tmp_path / "emerge.log").write_text(binary + broken_off + built("a/d-1", 900, 7))
    assert buildtimes.build_seconds(str(tmp_path / "emerge.log")) == {"a/d": 7}


def test_a_clock_that_was_put_back_is_no_time_at_all(tmp_path: Path) -> None:
    (tmp_path / "emerge.log").write_text(built("a/b-1", 1000, -60))
    assert buildtimes.build_seconds(str(tmp_path / "emerge.log")) == {"a/b": 0}


def test_only_the_end_of_a_long_log_is_read_and_none_is_no_error(tmp_path: Path) -> None:
    assert buildtimes.build_seconds(str(tmp_path / "none")) == {}
    with open(tmp_path / "emerge.log", "w") as log:
        log.write(built("a/early-1", 1, 1))
        log.write("x" * limits.EMERGE_LOG_SIZE + "\n")
        log.write(built("a/late-1", 5, 5))
    assert buildtimes.build_seconds(str(tmp_path / "emerge.log")) == {"a/late": 5}


def test_binaries_have_times_of_their_own(tmp_path: Path) -> None:
    log = tmp_path / "emerge.log"
    log.write_text(
        built("dev-libs/a-1", 100, 50)
        + built("dev-libs/a-2-r1", 200, 70)
        + built("dev-libs/a-2-r1", 300, 4).replace("Compiling/Merging", "Merging Binary")
        + built("dev-libs/a-2-r1", 500, 90)
    )
    times = buildtimes.merge_times(str(log))
    assert times.builds == {"dev-libs/a": 70}
    assert times.binaries == {"dev-libs/a": 4}
