"""A fetch on trial runs the fetch command of the configuration, and neither time nor size runs away with it."""

from __future__ import annotations

import time
from pathlib import Path

from portage_ext.explain.fetched import fetchcommand

ENTRY = {"BASE_URI": "http://h/p/", "PATH": "a/b-1.gpkg.tar"}


def fetched(words: str, directory: Path, *, size: int = 1000, seconds: float = 60) -> fetchcommand.Ended:
    settings = {"FETCHCOMMAND": words, "PATH": "/usr/bin:/bin"}
    return fetchcommand.fetch(settings, ENTRY, directory, size=size, seconds=seconds)


def test_the_command_of_the_binrepo_comes_before_that_of_its_protocol_and_the_general_one() -> None:
    settings = {"FETCHCOMMAND": "general ${URI}", "FETCHCOMMAND_HTTP": "http ${URI} ${DISTDIR}/${FILE}"}
    assert fetchcommand.command(settings, ENTRY, "/d e") == ["http", "http://h/p/a/b-1.gpkg.tar", "/d e/b-1.gpkg.tar.partial"]
    assert fetchcommand.command(settings, ENTRY | {"FETCHCOMMAND": "own"}, "/d") == ["own"]
    assert fetchcommand.command(settings, ENTRY | {"BASE_URI": "ftp://h"}, "/d") == ["general", "ftp://h/a/b-1.gpkg.tar"]
    ssh = {"FETCHCOMMAND_SSH": "ssh ${PORTAGE_SSH_OPTS} ${FILE}", "PORTAGE_SSH_OPTS": "-q"}
    assert fetchcommand.command(ssh, ENTRY | {"BASE_URI": "ssh://h"}, "/d") == ["ssh", "-q", "b-1.gpkg.tar.partial"]
    assert fetchcommand.by_hand(settings, ENTRY).startswith("http http://h/p/a/b-1.gpkg.tar ")


def test_what_lies_on_this_machine_is_copied(tmp_path: Path) -> None:
    (tmp_path / "p/a").mkdir(parents=True)
    (tmp_path / "p/a/b-1.gpkg.tar").write_bytes(b"package")
    (tmp_path / "out").mkdir()
    entry = ENTRY | {"BASE_URI": f"file://{tmp_path}/p"}
    assert fetchcommand.fetch({}, entry, tmp_path / "out", size=10, seconds=1) == fetchcommand.Ended(0, ())
    assert (tmp_path / "out/b-1.gpkg.tar.partial").read_bytes() == b"package"
    assert fetchcommand.by_hand({}, entry).startswith("cp ")
    gone = fetchcommand.fetch({}, entry | {"PATH": "none"}, tmp_path / "out", size=10, seconds=1)
    assert gone.status == 1
    assert "No such file" in gone.said[0]


def test_the_last_lines_are_told_as_a_terminal_shows_them(tmp_path: Path) -> None:
    ended = fetched(r"""sh -c 'printf "10%%\r20%%\rdone\n\nbad \033[31m\n" >&2; exit 4'""", tmp_path)
    assert ended.status == 4
    assert ended.said[0] == "done"
    assert "\033" not in ended.said[1]


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    ended = fetched("/nonexistent/fetcher ${URI}", tmp_path)
    assert ended.status == 127
    assert "/nonexistent/fetcher" in ended.said[0]


def test_a_fetch_that_hangs_is_stopped_with_all_that_it_started(tmp_path: Path) -> None:
    # A busy machine may need longer until the shell has written the number of what it started.
    for seconds in (0.3, 3, 30):
        ended = fetched("sh -c 'sleep 300 & jobs -p > ${DISTDIR}/pid; wait'", tmp_path, seconds=seconds)
        assert ended.status is None
        if (tmp_path / "pid").exists() and (pid := (tmp_path / "pid").read_text().strip()):
            break
    else:
        raise AssertionError("the shell has started nothing")
    # The kernel ends it a moment after the signal was sent.
    until = time.monotonic() + 60
    while runs(pid):
        assert time.monotonic() < until, "what the command had started goes on"
        time.sleep(0.01)


def runs(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_file_that_grows_beyond_its_size_is_cut_off(tmp_path: Path) -> None:
    # It ends by itself, lest a failure fill the disk.
    endless = "sh -c 'head -c 4000000 /dev/zero > ${DISTDIR}/${FILE}; sleep 60'"
    assert fetched(endless, tmp_path, size=1, seconds=30).status == 0
