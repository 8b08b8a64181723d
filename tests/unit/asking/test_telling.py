"""Where requests stand, in lines for a person."""

from __future__ import annotations

from portage_ext.asking import telling
from portage_ext.asking.protocol import Standing

THERE = Standing("a/there-1", "published", file="there-1-1.gpkg.tar")
QUEUED = Standing("a/queued-1", "queued", "waits", 3, 600.0)
RUNNING = Standing("a/running-1", "running", "", 0, 300.0, 60)
FAILED = Standing("a/failed-1", "failed", "its build failed")


def test_a_summary_counts_and_names_what_will_not_come() -> None:
    assert telling.summary([THERE]) == "1 is there already"
    said = telling.summary([THERE, QUEUED, RUNNING, FAILED])
    assert said == "1 is there already; 2 will be built (about 14 min); a/failed-1 has failed: its build failed"
    assert telling.summary([Standing("a/b-1", "queued"), QUEUED]) == "2 will be built (about 10 min or more)"


def test_progress_has_what_is_built_and_the_place_in_the_queue() -> None:
    said = telling.progress([THERE, QUEUED, RUNNING])
    assert (
        said == "1 of 3 done; a/running-1 is being built for 60 s, usually 5 min; 1 in the queue, 3 jobs ahead (about 14 min)"
    )


def test_changes_name_only_what_has_changed() -> None:
    assert list(telling.changes([], [THERE, QUEUED])) == [
        "a/there-1 is there",
        "a/queued-1 is in the queue, 3 jobs ahead (about 10 min)",
    ]
    built = Standing("a/queued-1", "published")
    assert list(telling.changes([THERE, QUEUED], [THERE, built])) == ["a/queued-1 is built and published"]
    assert list(telling.changes([QUEUED], [FAILED])) == ["a/failed-1 has failed: its build failed"]
    assert telling.about(THERE) == "there-1-1.gpkg.tar"
