"""Pages by the command line: they come with each release, its signature binds them, mirrors carry them, clients do not mind."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import requests

from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit.httpd import Server

PROXY = '\n[swarm]\nweb = 8010\nweb-url = "https://builds.example/swarm/"\n'


def check(release: Path) -> None:
    """As docs/publishing.md tells people to check the pages of a mirror."""
    header = (release / "Packages").read_text().partition("\n\n")[0]
    bound = re.search(r"^PAGES: pages/B2SUMS (\d+) BLAKE2B ([0-9a-f]{128}) ", header, re.M)
    assert bound is not None, header
    sums = subprocess.run(["b2sum", release / "pages/B2SUMS"], capture_output=True, text=True, check=True).stdout
    assert sums.split()[0] == bound[2]
    subprocess.run(["b2sum", "--check", "--strict", "--quiet", "B2SUMS"], cwd=release / "pages", check=True)


def test_pages_come_with_each_release_and_clients_install_as_before(work: Path, host: Host, web: Server) -> None:
    settings = host.root.path / "etc/portage/portage-ext.toml"
    settings.write_text(settings.read_text().replace("[publish]\n", '[publish]\nsite = true\ntitle = "Lab"\n', 1) + PROXY)
    host.run("publish").ok()
    host.run("promote", "staging", "production", "--gates", "index").ok()
    for channel in ("staging", "production"):
        check(host.tree / channel)
    page = (host.tree / "production/pages/packages/dev-libs/libtiny.html").read_text()
    assert "app-misc/usestiny" in page  # which needs it
    assert host.key.fingerprint in (host.tree / "production/pages/setup.html").read_text()
    front = (host.tree / "production/pages/index.html").read_text()
    assert "<dt>Signed</dt><dd>all packages</dd>" in front
    # Where a proxy offers Buildbot's page; the port alone is of no use to anybody else.
    assert '<a href="https://builds.example/swarm/">https://builds.example/swarm/</a>' in front
    assert ":8010" not in front

    client = site.client(work, host, f"{web.url}/production")
    client.emerge("-1", "--getbinpkgonly", "app-misc/hello").ok()
    assert "pages" not in "".join(web.paths())

    place = work / "mirror"
    host.run("mirror", "--to", str(place)).ok()
    check(place / "production")
    assert not (place / "production/.pages.json").exists()
    assert "nothing was published" in host.run("publish").ok().stdout
    host.run("rollback", "staging").failed()

    words = ["portage-ext", "serve", "--port", "0", "--browse"]
    process = subprocess.Popen(words, env=host.root.variables(), stdout=subprocess.PIPE, text=True, cwd=host.root.path)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert lines[2].endswith("/production/pages/\n")
        answer = requests.get(lines[2].strip(), timeout=10)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<title>Lab</title>" in answer.text
    finally:
        process.terminate()
        process.communicate()
