"""The screenshots of check and compare in docs/explaining.md are what real runs print, but for what depends on the machine."""

from __future__ import annotations

import re

from tests.system.check.conftest import Pair
from tests.testkit.environments import CHECKOUT


def test_the_screenshot_of_compare(pair: Pair) -> None:
    host, client = pair.host, pair.client
    for root in (host.root, client):
        root.settings |= {"USE_EXPAND": "VIDEO_CARDS PYTHON_TARGETS L10N", "L10N": "de"}
    host.root.settings |= {"VIDEO_CARDS": "intel", "PYTHON_TARGETS": "python3_13", "USE": "wayland"}
    client.settings |= {"VIDEO_CARDS": "amdgpu radeonsi", "PYTHON_TARGETS": "python3_12"}
    for root in (host.root, client):
        root.write_settings()
    host.root.etc("package.use", "app-misc/flags bar\n")
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    client.emerge("-1", "app-misc/flags").ok()
    client.etc("package.use", "app-misc/flags -bar -foo\n")
    printed = client.run("portage-ext", "compare", "lab").stdout.replace(str(client.path), "").split("\n\n")
    page = (CHECKOUT / "docs/explaining.md").read_text()
    for paragraph in printed[1:-1]:
        assert f"\n{paragraph}\n\n" in page, paragraph
    shown = re.findall(r"^(?:unusable|trap|different)  (.*)$", page, re.M)
    assert shown == ["CPU", *(paragraph.split("\n")[0].split("  ")[1] for paragraph in printed[1:-1])]


def comparable(text: str) -> list[str]:
    """Without what is measured, and without regard to where lines break, which depends on how long the test's path is."""
    for pattern, word in (
        (r"\d{4}-\d\d-\d\d", "DAY"),
        (r"127\.0\.0\.1:\d+", "HOST"),
        (r"\d+ ms", "TIME"),
        (r"; [\d.]+ s$", "; TIME"),
        (r"[\d.]+ \w+ free", "ROOM free"),
    ):
        text = re.sub(pattern, word, text, flags=re.M)
    return text.split()


def test_the_screenshot_of_check(pair: Pair) -> None:
    pair.client.etc("env/getbinpkg.conf", 'FEATURES="getbinpkg"\n')
    pair.client.etc("package.env", "net-libs/webkit getbinpgk.conf\n")
    pair.age(-9, 1)
    printed = pair.client.run("portage-ext", "check").stdout.replace(str(pair.client.path), "")
    shown = (CHECKOUT / "docs/explaining.md").read_text().partition("$ portage-ext check\n")[2].partition("```")[0]
    assert comparable(shown) == comparable(printed)
