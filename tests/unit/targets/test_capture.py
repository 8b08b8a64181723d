"""A capture comes from another host: what is not as expected is refused, and what is comes back as it was."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from portage_ext.errors import PortageExtError
from portage_ext.errors.builds import CaptureError
from portage_ext.limits import builds as limits
from portage_ext.targets import capture
from tests.unit.targets.examples import document, target


def test_a_target_comes_back_as_it_was() -> None:
    assert capture.parse(target().emit(), "laptop") == target()


def installed(**changed: Any) -> list[dict[str, Any]]:
    (first,) = json.loads(target().emit())["installed"]
    return [first | changed]


def repository(**changed: Any) -> list[dict[str, Any]]:
    (first,) = json.loads(target().emit())["repositories"]
    return [first | changed]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"format": "portage-ext-target-9"}, "format"),
        ({"error": "no make.profile"}, "no make.profile"),
        ({"taken": -1}, "taken"),
        ({"taken": True}, "taken"),
        ({"files": {"etc/shadow": ""}}, "'etc/shadow', which no capture has"),
        ({"files": {"etc/portage/package.use/../x": ""}}, "which no capture has"),
        ({"files": {"etc/portage/package.use": "not base64!"}}, "base64"),
        ({"files": {"etc/portage/package.use": "", "etc/portage/package.use/a": ""}}, "a file and a directory"),
        ({"make_conf": {"FETCHCOMMAND": "rm -rf /"}}, "'FETCHCOMMAND', which no capture has"),
        ({"make_conf": {"CFLAGS": "\x1b[2J"}}, "CFLAGS"),
        ({"make_conf": {"CFLAGS": 3}}, "CFLAGS"),
        ({"make_conf": {"CFLAGS": "x" * (limits.CAPTURE_TEXT + 1)}}, "CFLAGS"),
        ({"env_files": {"../../x": {}}}, "env_files"),
        ({"env_files": {"o3": {"PKGDIR": "/"}}}, "'PKGDIR', which no capture has"),
        ({"env_files": {"o3": []}}, "table"),
        ({"profiles": ["tiny:../../x"]}, "profiles"),
        ({"profiles": "tiny:base"}, "profiles"),
        ({"repositories": repository(location="/var/../etc")}, "location"),
        ({"repositories": repository(location="var")}, "location"),
        ({"repositories": repository(name="a b")}, "name of a repository"),
        ({"repositories": repository(commit="HEAD")}, "commit"),
        ({"repositories": repository(priority=True)}, "priority"),
        ({"repositories": [3]}, "repository"),
        ({"installed": installed(cpv="../x")}, "../x"),
        ({"installed": installed(contents="abc")}, "digest of CONTENTS"),
        ({"installed": installed(build_id="-1")}, "BUILD_ID"),
        ({"installed": [None]}, "installed package"),
        ({"use_expand": ["cflags"]}, "use_expand"),
        ({"builder": None}, ""),
        ({"builder": {"format": "else"}}, ""),
    ],
)
def test_what_no_capture_has_is_refused_by_name(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(PortageExtError) as refused:
        capture.parse(document(**changed), "laptop")
    assert "laptop" in str(refused.value)
    assert why in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"[" * 100_000, b'"x"', b"{}"])
def test_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(CaptureError):
        capture.parse(data, "laptop")


def test_files_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CAPTURE_BYTES", 10)
    with pytest.raises(CaptureError, match="larger than 10 bytes"):
        capture.parse(document(files={"etc/portage/bashrc": base64.b64encode(b"x" * 11).decode()}), "laptop")


def test_the_whole_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CAPTURE_SIZE", 10)
    with pytest.raises(CaptureError, match="larger than 10 bytes"):
        capture.parse(document(), "laptop")
