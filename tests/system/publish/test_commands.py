"""The commands around a tree, as an administrator calls them: exit status and what they say."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import requests

from tests.system.publish.site import Host


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
