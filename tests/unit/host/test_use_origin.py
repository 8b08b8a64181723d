"""Where a USE flag is set is found in the files of the administrator and of the profile: the line that Portage went by."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from portage.versions import _pkg_str

from portage_ext.host.use_origin import UseOrigin, _lines, setting

ORDER = "env:pkg:conf:defaults:pkginternal"


class Settings(dict[str, str]):
    """Portage's ``config`` of one package, as far as it is asked here: which layer says what."""

    def __init__(self, root: Path, **layers: dict[str, str]) -> None:
        super().__init__(PORTAGE_CONFIGROOT=str(root), USE_ORDER=ORDER, USE_EXPAND="PYTHON_TARGETS CPU_FLAGS_X86")
        self.backupenv = layers.pop("env", {})
        self.configdict = layers
        self.profiles = [str(root / "profile")]

    def setcpv(self, package: Any) -> None:
        """The layers are those of the package already."""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    _lines.cache_clear()
    (tmp_path / "profile").mkdir()
    (tmp_path / "etc/portage").mkdir(parents=True)
    return tmp_path / "etc/portage"


def package(cpv: str = "app-misc/a-1") -> Any:
    made = _pkg_str(cpv, slot="0", repo="tiny")
    return SimpleNamespace(cpv=made, cp=made.cp, slot="0", sub_slot="0", repo="tiny", use=None, version=made.version)


def of(tmp_path: Path, flag: str, *, forced: bool = False, masked: bool = False, **layers: dict[str, str]) -> str:
    where = UseOrigin(Settings(tmp_path, **layers)).of(package().cpv, flag, forced, masked)
    return where.replace(f"{tmp_path}/", "")


def test_the_last_line_of_package_use_that_names_the_flag(tmp_path: Path, etc: Path) -> None:
    (etc / "package.use").mkdir()
    (etc / "package.use/10").write_text("app-misc/a foo bar\napp-misc/a bar\n")
    (etc / "package.use/20").write_text(
        "# app-misc/a foo\napp-misc/b -foo\n>=app-misc/a-1 -foo # no\n>=app-misc/a-2 foo\n!! foo\n"
    )
    assert of(tmp_path, "foo", pkg={"USE": "-foo"}) == "etc/portage/package.use/20:3"
    assert of(tmp_path, "bar", pkg={"USE": "bar"}) == "etc/portage/package.use/10:2"
    assert "profile" in of(tmp_path, "other", pkg={"USE": "other"})


def test_a_group_in_package_use(tmp_path: Path, etc: Path) -> None:
    (etc / "package.use").write_text("app-misc/a python3_12\n*/* PYTHON_TARGETS: python3_12 -python3_11\n")
    said = {"USE": "python_targets_python3_12 -python_targets_python3_11"}
    for flag in ("python_targets_python3_12", "python_targets_python3_11"):
        assert of(tmp_path, flag, pkg=said) == "etc/portage/package.use:2"


def test_a_line_of_make_conf_below_an_assignment_over_many_lines(tmp_path: Path, etc: Path) -> None:
    (etc / "make.conf").write_text('CFLAGS="foo"\nUSE="bar\n  -foo\n  foo-bar"\n# USE="foo"\n')
    assert of(tmp_path, "foo", conf={"USE": "bar foo-bar -foo"}) == "etc/portage/make.conf:3"
    _lines.cache_clear()
    (etc / "make.conf").write_text('USE="a"\nPYTHON_TARGETS="python3_12"\n')
    targets = {"USE": "a", "PYTHON_TARGETS": "python3_12"}
    assert of(tmp_path, "python_targets_python3_12", conf=targets) == "etc/portage/make.conf:2"
    # A variable that says no: where it is assigned.
    assert of(tmp_path, "python_targets_python3_11", conf=targets) == "etc/portage/make.conf:2"


def test_the_profile_by_package_or_for_all(tmp_path: Path, etc: Path) -> None:
    (tmp_path / "profile/make.defaults").write_text('USE="foo bar"\n')
    assert of(tmp_path, "foo", defaults={"USE": "foo bar"}) == "profile/make.defaults:1"
    (tmp_path / "profile/package.use").write_text("app-misc/a foo\n")
    assert of(tmp_path, "foo", defaults={"USE": "foo bar"}) == "profile/package.use:1"


def test_layers_without_a_file_and_none_at_all(tmp_path: Path, etc: Path) -> None:
    assert "environment" in of(tmp_path, "foo", env={"USE": "foo"}, pkginternal={"USE": "foo"})
    assert "IUSE" in of(tmp_path, "foo", pkginternal={"USE": "foo"})
    assert "nothing" in of(tmp_path, "foo", conf={"USE": "bar"})


def test_what_is_fixed_is_fixed_by_a_line(tmp_path: Path, etc: Path) -> None:
    (tmp_path / "profile/use.mask").write_text("bar\nfoo\n")
    assert of(tmp_path, "foo", masked=True) == "profile/use.mask:2"
    assert of(tmp_path, "foo", forced=True) == "use.force"
    (etc / "profile").mkdir()
    (etc / "profile/package.use.stable.force").write_text("app-misc/a foo\n")
    assert of(tmp_path, "foo", forced=True) == "etc/portage/profile/package.use.stable.force:1"


def test_where_a_variable_has_a_word(tmp_path: Path, etc: Path) -> None:
    settings = Settings(tmp_path)
    assert setting(settings, "FEATURES", "getbinpkg") == ""
    _lines.cache_clear()
    (tmp_path / "profile/make.defaults").write_text('FEATURES="getbinpkg"\n')
    assert setting(settings, "FEATURES", "getbinpkg") == f"{tmp_path}/profile/make.defaults:1"
