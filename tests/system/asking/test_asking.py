"""Real emerge asks a real coordinator over real ssh and installs what was built for it; whatever goes wrong, it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

from portage_ext.asking.protocol import Wanted
from portage_ext.asking.service import Service
from portage_ext.config import asking as configuration
from tests.system.asking.lab import Asking
from tests.testkit.outcome import Outcome

NOTE, USER = "app-misc/note", "app-misc/user"


def said(run: Outcome) -> list[str]:
    return [line.removeprefix("portage-ext: ") for line in run.stderr.splitlines() if line.startswith("portage-ext: ")]


def test_a_client_that_never_compiles_asks_waits_and_installs_in_one_emerge(lab: Asking) -> None:
    lab.lab.repository.data(f"{NOTE}-1", IUSE="foo")
    lab.lab.repository.data(f"{USER}-1", RDEPEND=f"{NOTE}[foo]", IUSE="bar")
    lab.ask("wait", only="wait")
    told = lab.client.emerge("--pretend", USER).failed()
    assert "would ask ssh://root@127.0.0.1" in "".join(said(told))
    assert f"2 packages ({NOTE}-1, {USER}-1)" in "".join(said(told))
    assert lab.states() == {}

    done = lab.client.emerge(USER).ok()
    assert "2 will be built" in said(done)[0], str(done)
    assert f"{NOTE}-1 is built and published" in said(done)
    assert lab.client.merged() == {f"{NOTE}-1": "binary", f"{USER}-1": "binary"}
    assert "foo" in (lab.client.path / "usr/share/note/0/version").read_text().split()
    assert lab.states() == {f"{NOTE}-1": "published", f"{USER}-1": "published"}
    # Who asks for flags that the target does not have is told so, and could not use the package.
    lab.client.etc("package.use/user", f"{USER} bar\n")
    other = lab.request("--wait", USER).failed()
    assert "the target v2 has other USE flags (bar is off there and on here)" in " ".join(other.stdout.split())
    why = lab.client.run("portage-ext", "why", USER)
    assert f"portage-ext request {USER}" in why.stdout, str(why)


def test_ask_goes_on_and_no_asks_nobody(lab: Asking) -> None:
    lab.lab.repository.data(f"{NOTE}-1")
    lab.ask("no")
    assert said(lab.client.emerge("--oneshot", NOTE).ok()) == []
    assert lab.states() == {}
    lab.ask("ask")
    asked = lab.client.emerge("--oneshot", NOTE).ok()
    assert [line for line in said(asked) if "1 will be built" in line], str(asked)
    assert lab.client.merged() == {f"{NOTE}-1": "ebuild"}
    waited = lab.request("--wait", "--json").ok()
    assert f"{NOTE}-1" in waited.stdout
    assert lab.states() == {f"{NOTE}-1": "published"}
    # A hundred at once, all for something else than before, are one build.
    lab.lab.repository.data(f"{USER}-1")
    answers = hundred(lab, Wanted(f"{USER}-1", "0/0", "tiny", {}))
    assert len(answers) == 104
    assert set(answers) <= {"accepted", "queued", "running", "checked", "published"}
    lab.request("--wait").ok()
    jobs = [job for job in lab.lab.jobs() if job["cpv"] == f"{USER}-1"]
    assert [job["state"] for job in jobs] == ["published"]
    assert len([path for path in lab.lab.packages("v2") if path.parent.name == "user"]) == 1


def hundred(lab: Asking, wanted: Wanted) -> list[str]:
    """The states that 8 connections are answered, each asking 13 times."""
    asking = configuration.Asking("ssh", "v2", "laptop", "root@127.0.0.1", lab.port, lab.options, patience=60)
    answers: list[str] = []

    def ask() -> None:
        with Service(asking) as service:
            for _ in range(13):
                answers.extend(one.state for one in service.request([wanted], "ask"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    lab.allow(requests_a_minute=1000)
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return answers


def test_what_is_refused_or_cannot_be_reached_is_one_line_and_emerge_compiles(lab: Asking) -> None:
    lab.lab.repository.data(f"{NOTE}-1")
    lab.lab.repository.data(f"{USER}-1")
    lab.allow(queued=1)
    refused = lab.client.emerge("--oneshot", NOTE, USER).ok()
    (line,) = said(refused)
    assert "client laptop has 0 packages that are not built yet, asks for 2 more, and may have 1" in line
    assert lab.client.merged() == {f"{NOTE}-1": "ebuild", f"{USER}-1": "ebuild"}
    assert lab.states() == {}
    lab.ask("wait", target='"v3"')
    assert "client laptop may not ask for target 'v3', but for: v2" in lab.request(NOTE).failed().stderr
    # Nobody listens there.
    lab.ask("wait", where='"ssh://root@127.0.0.1:1"')
    down = lab.client.emerge("--oneshot", NOTE).ok()
    (line,) = said(down)
    assert line.startswith(
        "emerge goes on without asking for builds: the build service ssh://root@127.0.0.1:1 cannot be reached"
    )


def test_a_failed_build_a_deadline_and_an_interrupt(lab: Asking) -> None:
    fails = 'src_install() { [[ ${EPREFIX} != */v2 ]] || die "only here"; echo x > x; insinto /usr/share; doins x; }\n'
    lab.lab.repository.ebuild(f"{USER}-1", fails)
    failed = lab.client.emerge("--oneshot", USER).ok()
    assert [line for line in said(failed) if line.startswith(f"{USER}-1 has failed: its build failed")], str(failed)
    assert lab.client.merged() == {f"{USER}-1": "ebuild"}
    # What has failed before is named, and does not keep the status at 1 until it is withdrawn.
    assert f"it ended before: {USER}-1" in " ".join(lab.request("--wait").ok().stdout.split())

    lab.lab.run("builds", "drain").ok()
    lab.lab.repository.data(f"{NOTE}-1")
    lab.ask("wait", deadline_minutes=0.02)
    late = lab.client.emerge("--oneshot", NOTE).ok()
    assert "not built within 1 s: 1 package (app-misc/note-1). emerge goes on without; the request stands" in said(late)
    assert lab.client.merged()[f"{NOTE}-1"] == "ebuild"

    lab.ask("wait")
    words = lab.client._words(("emerge", "--oneshot", NOTE))
    variables = lab.client.variables()
    with subprocess.Popen(
        words, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as run:  # fmt: skip
        assert run.stderr is not None
        lines = []
        for line in run.stderr:
            lines.append(line)
            if "Ctrl-C leaves the request standing" in line:
                os.killpg(run.pid, signal.SIGINT)
        run.wait()
    assert run.returncode == 128 + signal.SIGINT, "".join(lines)
    assert [line for line in lines if "to wait for that: portage-ext request --wait" in line], "".join(lines)
    assert "Traceback" not in "".join(lines)
    # It may not have been planned yet.
    assert lab.states()[f"{NOTE}-1"] in ("accepted", "queued")
    lab.request("--cancel", NOTE).ok()
    assert f"{NOTE}-1" not in lab.states()
