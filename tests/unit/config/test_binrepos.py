"""Our section stands beside what the administrator wrote, and Portage's own kind of reader merges the two."""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path

import pytest

from portage_ext.config import binrepos
from portage_ext.config.binrepos import connect, disconnect, drop_in, section


def test_a_directory_gets_a_file_of_its_own_and_loses_it_again(tmp_path: Path) -> None:
    directory = tmp_path / "etc/portage/binrepos.conf"
    directory.mkdir(parents=True)
    (directory / "lab.conf").write_text("[lab]\nsync-uri = https://x.example/\n")
    assert connect(tmp_path, "lab")
    parser = configparser.ConfigParser(defaults={"EROOT": "/e/", "PORTAGE_CONFIGROOT": "/c/"})
    parser.read(sorted(directory.iterdir()))
    assert parser["lab"]["sync-uri"] == "https://x.example/"
    assert '--root "/e/" --config-root "/c/" --uri "${URI}"' in parser["lab"]["fetchcommand"]
    assert parser["lab"]["resumecommand"].endswith("--resume")
    disconnect(tmp_path, "lab")
    assert [path.name for path in directory.iterdir()] == ["lab.conf"]


def test_a_single_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "etc/portage/binrepos.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[lab]\n")
    assert not connect(tmp_path, "lab")
    assert file.read_text() == "[lab]\n"
    assert not drop_in(tmp_path, "lab").exists()
    assert section("lab").startswith("[lab]\nfetchcommand = portage-ext fetch --repo lab ")


@pytest.mark.parametrize("resume", [False, True])
def test_the_line_that_is_written_is_known_again(resume: bool) -> None:
    line = binrepos.command_line("lab", resume=resume).partition(" = ")[2]
    filled = {"%(EROOT)s": "/e/", "%(PORTAGE_CONFIGROOT)s": "/c/", "${URI}": "http://h/p", "${DISTDIR}": "/d", "${FILE}": "f"}
    for name, value in filled.items():
        line = line.replace(name, value)
    found = binrepos.as_written(shlex.split(line)[1:])
    assert found == ("lab", "/e/", "/c/", "http://h/p", "/d/f", resume)
