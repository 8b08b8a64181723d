"""What emerge did is read from its own list of failures and from the vdb, and a log is shown where it says something."""

from __future__ import annotations

import os
from pathlib import Path

from portage_ext.updates.commands import Ended
from portage_ext.updates.emerging import Planned, failures, judged, last_words, summary
from portage_ext.updates.result import Outcome

LIST = """
 * The following 2 packages have failed to build, install, or execute
 * postinst:
 *
 *  (app-misc/two-2.0:0/0::fleet, ebuild scheduled for merge), Log file:
 *   '{log}'
 *  (dev-libs/lib-1.0-3:0/1::fleet, binary scheduled for merge to '/x/') (postinst failed)
 *
"""


def installed(eroot: Path, cpv: str, when: int) -> None:
    directory = eroot / "var/db/pkg" / cpv
    directory.mkdir(parents=True)
    os.utime(directory, (when, when))


def test_failures_have_the_last_words_of_their_logs(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text(
        "one\n\ntwo \x1b[31mred\n * ERROR: app-misc/two-2.0::fleet failed (compile phase):\n *   it breaks\n * Call stack:\n"
    )
    first, second = failures(LIST.format(log=log).splitlines())
    assert first.what == "app-misc/two-2.0"
    assert first.lines == (
        "one",
        "two \\x1b[31mred",
        " * ERROR: app-misc/two-2.0::fleet failed (compile phase):",
        " *   it breaks",
    )
    assert (second.what, second.why, second.log) == ("dev-libs/lib-1.0-3", "its phase postinst failed", "")


def test_a_log_that_is_gone_takes_nothing_else_away() -> None:
    assert failures(LIST.format(log="/nowhere/log").splitlines())[0].lines == ()


def test_a_log_without_an_error_is_shown_from_its_end() -> None:
    lines = [str(number) for number in range(100)]
    assert last_words(lines) == tuple(lines[-12:])


def test_what_came_failed_and_was_left_out(tmp_path: Path) -> None:
    planned = ["app-misc/one-1.0", "app-misc/two-2.0", "dev-libs/lib-1.0", "app-misc/needs-1.0"]
    installed(tmp_path, "app-misc/one-1.0", 100)
    installed(tmp_path, "app-misc/needs-1.0", 10)  # of an earlier run: it was to be merged again
    lines = tuple(LIST.format(log="/nowhere/log").splitlines())
    found = judged(Ended(1, tmp_path / "log", lines), planned, tmp_path, since=50)
    assert (found.outcome, found.came) == (Outcome.PARTLY, ("app-misc/one-1.0",))
    assert [one.what for one in found.failed] == ["app-misc/two-2.0", "dev-libs/lib-1.0"]
    assert [one.what for one in found.held] == ["app-misc/needs-1.0"]


def test_an_emerge_that_lists_no_failure_failed_as_a_whole(tmp_path: Path) -> None:
    found = judged(Ended(1, tmp_path / "log", ("No space left on device",)), ["app-misc/one-1.0"], tmp_path, since=0)
    assert found.outcome is Outcome.FAILED
    assert found.failed[0].lines == ("No space left on device",)


def test_the_counts_of_a_plan() -> None:
    assert summary([]) == "0 packages: 0 binary packages, 0 to compile"
    packages = [Planned("a/b-1", True, 5.0), Planned("a/c-1", False, 600.0), Planned("a/d-1", False)]
    assert summary(packages) == "3 packages: 1 binary package, 2 to compile (about 10 min)"
