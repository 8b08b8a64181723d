"""The gate `glsa` refuses what a release newly brings and does not mend; everything else that is vulnerable is a warning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from portage_ext.errors.releases import GateError, GateUnavailableError
from portage_ext.model import IndexEntry
from portage_ext.model.vulnerable import Advisory, Unread, Vulnerable
from portage_ext.releases.gates import Candidate, passed, run_gates
from portage_ext.releases.gates.glsa import GlsaGate
from tests.unit.releases.published import site
from tests.unit.releases.test_gates import candidate

HOLE = Advisory("202401-01", "A hole", "app-misc/foo", (">=app-misc/foo-2:0", " >~app-misc/foo-1.5-r1"))
FOO = Vulnerable("app-misc/foo-1", "0", (HOLE,))


@dataclass(frozen=True, slots=True)
class Known:
    """GLSAs that say what they are told to: what Portage reads is for tests/system/publish."""

    found: tuple[Vulnerable, ...] = (FOO,)
    unread: Unread | None = None
    there: bool = True

    def __bool__(self) -> bool:
        return self.there

    def in_release(self, entries: Iterable[IndexEntry], arch: str = "") -> list[Vulnerable]:
        assert [entry.get("CPV") for entry in entries] == ["app-misc/foo-1"]
        return list(self.found)


@pytest.fixture
def release(tmp_path: Path) -> Candidate:
    made = site(tmp_path)
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    return candidate(made)


def test_a_new_vulnerable_package_is_refused_with_its_glsa_and_what_mends_it(release: Candidate) -> None:
    (found,) = run_gates([GlsaGate(Known(), refuse=True)], release)
    assert (found.where, found.warning) == ("app-misc/foo-1", False)
    assert found.what == "is vulnerable: GLSA 202401-01 (A hole), mended in >=2:0 or >~1.5-r1"
    with pytest.raises(GateError):
        passed([found], "production", release.directory)


def test_a_warning_stops_no_release(release: Candidate) -> None:
    found = run_gates([GlsaGate(Known())], release)
    assert [one.warning for one in found] == [True]
    assert passed(found, "production", release.directory) == tuple(found)


def test_what_is_live_or_mended_in_the_same_release_is_a_warning(release: Candidate) -> None:
    live = Candidate(release.directory, release.channel, release.contents, release.forms, ())
    assert [one.warning for one in run_gates([GlsaGate(Known(), refuse=True)], live)] == [True]
    mended = Known((Vulnerable("app-misc/foo-1", "0", (HOLE,), ("app-misc/foo-2", "app-misc/foo-3")),))
    (found,) = run_gates([GlsaGate(mended, refuse=True)], release)
    assert found.warning
    assert found.what.endswith("; the release also has app-misc/foo-3, which mends it")


def test_glsas_that_cannot_be_read_are_one_line(release: Candidate) -> None:
    unread = Unread((("202401-02", "no element found"), ("202401-03", "it is empty")))
    (found,) = run_gates([GlsaGate(Known((), unread), refuse=True)], release)
    assert found.warning
    assert found.what == "2 GLSAs cannot be read, so they were not checked; the first is 202401-02: no element found"


def test_without_glsas_only_a_gate_that_refuses_objects(release: Candidate) -> None:
    assert run_gates([GlsaGate(Known(there=False))], release) == []
    with pytest.raises(GateUnavailableError, match="has no GLSAs"):
        list(GlsaGate(Known(there=False), refuse=True).check(release))


def test_a_glsa_that_no_version_mends_says_so() -> None:
    assert str(Advisory("202401-01", "A hole", "app-misc/foo", ())) == "GLSA 202401-01 (A hole), no version mends it"
