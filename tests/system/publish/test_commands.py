"""The commands around a tree, as an administrator calls them: exit status and what they say."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import requests

from tests.system.publish.site import Host
from tests.testkit import environments


def test_mirror_prune_releases_and_serve(work: Path, host: Host) -> None:
    made = json.loads(host.run("publish", "--json").ok().stdout)
    assert (made["channel"], made["published"], made["release"], made["held"]) == ("staging", True, 1, None)
    promoted = json.loads(host.run("promote", "staging", "production", "--gates", "index", "--json").ok().stdout)
    assert (promoted["channel"], promoted["published"], promoted["release"]) == ("production", True, 2)
    place = str(work / "mirror")
    behind = host.run("mirror", "--to", place, "--lag").failed()
    assert behind.status == 1
    assert "has none" in behind.stdout
    pushed = json.loads(host.run("mirror", "--to", place, "--json").ok().stdout)
    assert (pushed["mirror"], pushed["pushed"]["sent"], pushed["error"]) == (place, [1, 2], None)
    assert (work / "mirror/production/Release").read_bytes() == (host.tree / "production/Release").read_bytes()
    host.run("mirror", "--to", place, "--lag").ok()
    nowhere = host.run("mirror", "nowhere").failed()
    assert (nowhere.status, nowhere.stderr) == (
        1,
        "portage-ext mirror: portage-ext.toml has no [mirror.nowhere] for this repository (mirrors: none)\n",
    )
    assert host.run("mirror").failed().stderr.startswith("portage-ext mirror: portage-ext.toml has no [mirror.NAME]")

    listed = [json.loads(line) for line in host.run("releases", "--json").ok().stdout.splitlines()]
    assert [(one["release"], one["channel"], one["live"], one["content"]) for one in listed] == [
        (1, "staging", True, 1),
        (2, "production", True, 1),
    ]
    assert "0 releases would be removed" in host.run("prune", "--dry-run").ok().stdout
    assert json.loads(host.run("prune", "--json").ok().stdout) == {"format": 1, "removed": True, "releases": [], "left": 2}
    cleaned = json.loads(host.run("clean", "--json").ok().stdout)
    assert (cleaned["removed"], cleaned["packages"], cleaned["freed"], cleaned["failed"]) == (False, [], 0, 0)
    assert host.run("rollback", "production").failed().status == 1
    assert host.run("diff", "1", "7").failed().status == 1
    assert json.loads(host.run("diff", "1", "2", "--json").ok().stdout)["rebuilt"] == []
    assert host.run("publish", "--gates", "nonsense").failed().status == 2
    renewed = host.run("publish", "--channel", "production", "--renew").ok()
    assert "nothing was published" in renewed.stdout

    words = ["portage-ext", "serve", "--port", "0", "--bind", "0.0.0.0"]
    process = subprocess.Popen(
        words, env=host.root.variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=host.root.path
    )
    try:
        assert process.stdout is not None
        match = re.fullmatch(r"sync-uri = http://0.0.0.0:(\d+)/production\n", process.stdout.readline())
        assert match is not None
        answer = requests.get(f"http://127.0.0.1:{match[1]}/production/Release", timeout=10)
        assert answer.content == (host.tree / "production/Release").read_bytes()
    finally:
        process.terminate()
        _, said = process.communicate()
    assert "reachable by others" in said


def test_metrics_tell_releases_left_out_packages_runs_and_served_bytes(work: Path, host: Host) -> None:
    """Read by the parser of Prometheus's own client library."""
    log = work / "access.log"
    log.write_text('::1 - - [26/Nov/2026:10:00:00 +0000] "GET /tree/staging/Packages HTTP/1.1" 200 1234 "-" "curl"\n')
    host.configure(more=f'[metrics]\nlogs = ["{log}", "{work}/missing.log"]\n')
    host.run("publish").ok()
    (host.root.pkgdir / "app-misc/broken-1.gpkg.tar").write_bytes(b"no package")
    host.run("after-emerge").ok()
    file = work / "portage-ext.prom"
    told = host.run("metrics", "--textfile", str(file)).failed()
    assert (told.status, told.stdout) == (1, "")
    assert told.stderr == f"portage-ext metrics: {work}/missing.log: cannot be read: No such file or directory\n"
    samples = parsed(file)
    release = {"repository": "", "channel": "staging"}
    assert samples["portage_ext_release_number", frozenset(release.items())] == 1
    packages = json.loads(host.run("releases", "--json").ok().stdout.splitlines()[0])["packages"]
    assert samples["portage_ext_release_packages", frozenset(release.items())] == packages
    expires = samples["portage_ext_release_expires_timestamp_seconds", frozenset(release.items())]
    assert expires - samples["portage_ext_release_created_timestamp_seconds", frozenset(release.items())] == 30 * 86400
    assert samples["portage_ext_served_bytes_total", frozenset(release.items())] == 1234
    assert samples["portage_ext_pkgdir_left_out_packages", frozenset({("repository", "")})] == 1
    assert samples["portage_ext_last_run_success", frozenset({("run", "after-emerge")})] == 1
    assert host.run("metrics", "--textfile", str(work / "figures.txt")).failed().status == 2
    nowhere = host.run("metrics", "--textfile", str(work / "nowhere/figures.prom")).failed()
    assert (nowhere.status, "nowhere/figures.prom: its folder does not exist" in nowhere.stderr) == (2, True)


def parsed(file: Path) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples of a file, by name and labels."""
    script = (
        "import json, sys; from prometheus_client.parser import text_string_to_metric_families as read; "
        "print(json.dumps([[s.name, s.labels, s.value] for f in read(open(sys.argv[1]).read()) for s in f.samples]))"
    )
    python = environments.programs("prometheus", ["prometheus-client"]) / "bin/python3"
    done = subprocess.run([python, "-c", script, file], capture_output=True, text=True, check=True)
    return {(name, frozenset(labels.items())): value for name, labels, value in json.loads(done.stdout)}
