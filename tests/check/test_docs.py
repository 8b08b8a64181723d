"""The screenshot of compare in docs/explaining.md is what a real run prints, but for what depends on the CPU."""

from __future__ import annotations

import re

from tests.check.conftest import Pair
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
    printed = client.run("portage-ext", "compare", "lab").stdout.split("\n\n")
    page = (CHECKOUT / "docs/explaining.md").read_text()
    for paragraph in printed[1:-1]:
        assert f"\n{paragraph}\n\n" in page, paragraph
    shown = re.findall(r"^(?:unusable|trap|different)  (.*)$", page, re.M)
    assert shown == ["CPU", *(paragraph.split("\n")[0].split("  ")[1] for paragraph in printed[1:-1])]
