"""What a stranger's directory has is read as far as it is a repository, and refused by name beyond that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portage_ext.limits import repositories as limits
from portage_ext.repositories.pick.overlay import Overlay, RefusedError

CP = "app-misc/keyd"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in (f"{CP}/keyd-1.0.ebuild", f"{CP}/files/x", "app-misc/none/readme", "eclass/one.eclass", "profiles/repo_name",
                 ".git/config", "..x/y/y-1.ebuild", "metadata/md5-cache/app-misc/keyd-1.0"):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def refusal(root: Path) -> str:
    with pytest.raises(RefusedError) as raised:
        Overlay(root).package(CP)
    return str(raised.value)


def test_packages_are_directories_with_ebuilds(root: Path) -> None:
    found = Overlay(root)
    assert set(found.packages) == {CP}
    assert set(found.package(CP)) == {f"{CP}/keyd-1.0.ebuild", f"{CP}/files/x"}
    assert found.ebuilds(CP) == {"app-misc/keyd-1.0": f"{CP}/keyd-1.0.ebuild"}
    assert set(found.eclasses()) == {"one"}


def test_links_inside_are_files_and_links_outside_are_refused(root: Path) -> None:
    (root / CP / "keyd-2.0.ebuild").symlink_to("keyd-1.0.ebuild")
    assert Overlay(root).package(CP)[f"{CP}/keyd-2.0.ebuild"].data == f"{CP}/keyd-1.0.ebuild".encode()
    link = root / CP / "files/link"
    for target, why in {
        "../../../../etc/passwd": "out of the overlay",
        "/etc/passwd": "out of the overlay",
        "../../../.git/config": "out of the overlay",
        "nothing": "to nothing",
        "link": "to nothing",
    }.items():
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert why in refusal(root), target


def test_a_linked_directory_is_no_package(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "linked-1.ebuild").write_text("")
    (root / "app-misc/linked").symlink_to(elsewhere)
    (root / "sys-libs").symlink_to(root / "app-misc")
    assert set(Overlay(root).packages) == {CP}


def test_pipes_sockets_and_names_that_are_no_text_are_refused(root: Path) -> None:
    os.mkfifo(root / CP / "files/pipe")
    assert "files/pipe is no regular file" in refusal(root)
    (root / CP / "files/pipe").unlink()
    Path(os.fsdecode(bytes(root / CP / "files") + b"/\xff")).write_text("")
    assert "is no text" in refusal(root)


def test_too_large_and_too_many_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OVERLAY_PACKAGE_SIZE", 10)
    assert "MiB" in refusal(root)
    monkeypatch.setattr(limits, "OVERLAY_FILE_SIZE", 5)
    assert "is larger than" in refusal(root)
    monkeypatch.setattr(limits, "OVERLAY_PACKAGE_FILES", 1)
    assert "more than 1 files" in refusal(root)


def test_an_eclass_that_leads_out_is_known_and_refused(root: Path) -> None:
    (root / "eclass/evil.eclass").symlink_to("/etc/passwd")
    assert isinstance(Overlay(root).eclasses()["evil"], RefusedError)


def test_a_text_in_a_file_or_in_a_directory_of_files(root: Path) -> None:
    (root / "profiles/package.mask").mkdir()
    for name, text in {"a": "one", "b": "two\n", "c~": "three", ".d": "four"}.items():
        (root / "profiles/package.mask" / name).write_text(text)
    assert Overlay(root).texts("profiles/package.mask") == "one\ntwo\n"
    assert Overlay(root).texts("profiles/nothing") == ""
