"""A capture is a process that goes on by itself, is waited for when its result is needed, and ends when nobody needs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from portage_ext.errors.builds import CaptureError
from portage_ext.targets import reach
from portage_ext.targets.reach import Capture
from tests.unit.targets.examples import target

ANSWER = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"


def capture(program: str, given: bytes = b"") -> Capture:
    return Capture([sys.executable, "-c", program], "the host", "prefix:/p", os.environ, given=given)


def test_what_it_says_is_the_target_with_its_source() -> None:
    said = target().emit()
    with capture(ANSWER, said) as one:
        found = one.target()
    assert (found.builder, found.source) == (target().builder, "prefix:/p")


def test_one_that_says_nothing_is_an_error_with_its_last_words() -> None:
    with (
        pytest.raises(CaptureError, match="ended with status 3: no Portage here"),
        capture("import sys; print('no Portage here', file=sys.stderr); sys.exit(3)") as one,
    ):
        one.target()
    with pytest.raises(CaptureError, match="cannot run"):
        Capture(["/nowhere/python"], "the host", "", {})


def test_one_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    with capture(f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(900)") as one:
        pid = one._process.pid
    assert not Path(f"/proc/{pid}").exists()


def test_the_package_is_the_same_in_both_forms() -> None:
    import io
    import zipfile

    small, large = (zipfile.ZipFile(io.BytesIO(reach.package_zip(compressed=one))) for one in (True, False))
    assert small.namelist() == large.namelist()
    assert small.read("portage_ext/limits/__init__.py") == large.read("portage_ext/limits/__init__.py")
