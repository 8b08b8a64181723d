"""An older index serves only where no mirror gave a Release: refused, or not there, is not unreachable. By real emerge."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from portage_ext.trust.memory import StateDirectory
from tests.system.attacks.lab import REPO, Lab
from tests.testkit import hostile, httpd
from tests.testkit.hostile import Answer, Handler, Hostile
from tests.testkit.keys import SigningKey

FORMS = ("/Packages.zst", "/Packages.gz", "/Packages")
AGAIN = "is used again"


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """A client that has verified Release 1 and its index."""
    lab.remembers()
    return lab


def release_two(lab: Lab) -> None:
    """The binhost publishes another index."""
    lab.write_index(lab.index().replace("app-misc/hello-1.1", "app-misc/hello-9"))
    lab.publish()


def unreachable(server: Hostile) -> None:
    for path in ("/Release", "/Release.asc", *FORMS):
        server.answers[path] = hostile.status(503)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (hostile.status(404), "MissingIndexError"),
        (hostile.status(410), "MissingIndexError"),
        (hostile.endless(), "OversizedFileError"),
        (hostile.announcing(1 << 30), "OversizedFileError"),
        (hostile.status(500), "MirrorError"),
        (hostile.broken_off(bytes(1000)), "MirrorError"),
    ],
    ids=["404", "410", "endless", "long", "500", "broken-off"],
)
def test_a_release_without_its_index_is_no_reason_for_the_index_before(
    lab: Lab, server: Hostile, answer: Answer, error: str
) -> None:
    release_two(lab)
    for path in FORMS:
        server.answers[path] = answer
    assert AGAIN not in lab.refused(error, "app-misc/hello").text


@pytest.mark.parametrize("path", ["/Release", "/Release.asc"])
def test_an_endless_release_is_no_mirror_that_cannot_be_reached(lab: Lab, server: Hostile, path: str) -> None:
    server.answers[path] = hostile.endless()
    assert AGAIN not in lab.refused("OversizedFileError", "app-misc/hello").text


@pytest.mark.slow
def test_a_release_counts_from_the_moment_in_which_it_is_believed(lab: Lab, server: Hostile) -> None:
    before = {path.name: path.read_bytes() for path in lab.directory.iterdir() if path.is_file()}
    release_two(lab)
    for path in FORMS:
        server.answers[path] = hostile.status(404)
    lab.refused("MissingIndexError", "app-misc/hello")
    for name, data in before.items():
        (lab.directory / name).write_bytes(data)
    server.answers.clear()
    lab.refused("RollbackError", "app-misc/hello")


def test_the_index_before_serves_until_its_own_release_expires(lab: Lab, server: Hostile) -> None:
    """Release 2 was seen without its index, and then no mirror can be reached: what is kept is that of Release 1."""
    state = StateDirectory(lab.client.path, REPO)
    first = state.load()
    release_two(lab)
    for path in FORMS:
        server.answers[path] = hostile.status(404)
    lab.refused("MissingIndexError", "app-misc/hello")
    memory = state.load()
    assert memory.seen is not None
    assert memory.seen.version == 2
    assert (memory.index, memory.expires) == (first.index, first.expires)
    unreachable(server)
    outcome = lab.emerge("app-misc/hello").ok()
    assert f"{REPO}: no mirror can be reached; the index of Release 1 {AGAIN}" in outcome.text


@pytest.mark.slow
def test_a_stale_mirror_does_not_make_good_a_missing_index(lab: Lab, server: Hostile, work: Path) -> None:
    shutil.copytree(lab.directory, work / "stale")
    release_two(lab)
    for path in FORMS:
        server.answers[path] = hostile.status(404)
    with httpd.serve(work / "stale") as old:
        lab.settings(more=f'mirrors = ["{old.url}"]\n')
        outcome = lab.refused("MissingIndexError", "app-misc/hello")
    assert "[rollback]" in outcome.text


@pytest.mark.parametrize("late", ["absent", "too long", "old"])
def test_a_mirror_in_the_middle_of_an_update_is_asked_again(lab: Lab, server: Hostile, late: str) -> None:
    old = {path: (lab.directory / path.lstrip("/")).read_bytes() for path in FORMS}
    lab.write_index(lab.index().replace("TIMESTAMP: 1", "TIMESTAMP: 01"))
    lab.publish()
    lab.settings(patience="[fetch]\nretries = 2\n")

    def once(path: str) -> Answer:
        """What the mirror has not got yet: it is there when it is asked for again."""

        def answer(handler: Handler) -> None:
            del server.answers[path]
            data = old[path] if late == "old" else bytes(1 << 20)
            (hostile.status(404) if late == "absent" else hostile.announcing(len(data), data))(handler)

        return answer

    for path in FORMS:
        server.answers[path] = once(path)
    lab.accepted("app-misc/hello")


def test_the_index_of_a_key_that_was_taken_out_is_not_used_for_want_of_a_mirror(
    lab: Lab, server: Hostile, other_key: SigningKey
) -> None:
    lab.pin(other_key)
    lab.client.run("portage-ext", "trust", "remove", REPO, "--fingerprint", lab.key.fingerprint).ok()
    unreachable(server)
    assert AGAIN not in lab.refused("MirrorError", "app-misc/hello").text


@pytest.mark.slow
def test_the_index_of_a_key_that_was_taken_out_is_not_used_although_another_key_signed_what_came_later(
    lab: Lab, server: Hostile, other_key: SigningKey
) -> None:
    """Release 2 comes without its index. It is by a key that stays, but what is kept is by the stolen one."""
    lab.pin(other_key)
    lab.write_index(lab.index().replace("app-misc/hello-1.1", "app-misc/hello-9"))
    lab.publish(other_key)
    for path in FORMS:
        server.answers[path] = hostile.status(404)
    lab.refused("MissingIndexError", "app-misc/hello")
    lab.client.run("portage-ext", "trust", "remove", REPO, "--fingerprint", lab.key.fingerprint).ok()
    unreachable(server)
    assert AGAIN not in lab.refused("MirrorError", "app-misc/hello").text


@pytest.mark.slow
def test_a_mirror_whose_address_is_none_is_a_mirror_that_cannot_be_reached(lab: Lab, server: Hostile) -> None:
    lab.settings(more='mirrors = ["http://[::1", "ssh://h:99999"]\n')
    unreachable(server)
    outcome = lab.emerge("app-misc/hello").ok()
    assert AGAIN in outcome.text
    assert outcome.text.count("[unsupported-url]") >= 2
    assert "Traceback" not in outcome.text
