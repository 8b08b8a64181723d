"""The drift between hosts: what they say differently, and who lacks what."""

from __future__ import annotations

from pathlib import Path

from portage_ext.fleet import hosts
from portage_ext.fleet.configuration import Configuration
from portage_ext.fleet.hosts import Drift


def test_what_all_say_alike_is_no_drift() -> None:
    alike = Configuration({"package.mask": {"app-misc/x": ()}}, {"USE": ("a",)})
    assert list(hosts.drift({"one": alike, "two": alike})) == []


def test_values_have_their_hosts_the_most_common_first() -> None:
    common = Configuration({"package.use": {"app-misc/x": ("a",)}}, sets={"tools": ("app-misc/y",)})
    other = Configuration({"package.use": {"app-misc/x": ("-a",)}})
    assert list(hosts.drift({"one": other, "two": common, "three": common})) == [
        Drift("package.use: app-misc/x", {"a": ("two", "three"), "-a": ("one",)}),
        Drift("sets/tools", {"app-misc/y": ("two", "three"), "": ("one",)}),
    ]


def test_a_link_out_of_a_host_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("app-misc/secret\n")
    config = tmp_path / "host"
    (config / "package.mask").mkdir(parents=True)
    (config / "package.mask/ours").write_text("app-misc/x\n")
    (config / "package.mask/theirs").symlink_to(tmp_path / "secret")
    assert list(hosts.files(config)) == ["etc/portage/package.mask/ours"]
