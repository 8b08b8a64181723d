"""A phase whose process was killed is no success, whatever the rest of it reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from portage_ext.emerge import patching, phases
from portage_ext.errors import UnknownPortageError
from portage_ext.host import probe


@dataclass
class Phase:
    """A phase whose subshell has reported ``returncode``."""

    returncode: int = 0
    cancelled: bool = False
    said: list[int] = field(default_factory=list)

    def _killed_by_signal(self, number: int) -> None:
        self.said.append(number)


@pytest.mark.parametrize(
    ("status", "phase", "returncode", "said"),
    [
        (0, Phase(), 0, []),
        (-9, Phase(), -9, [9]),
        (137, Phase(), 137, [9]),  # as sandbox(1) says it
        (1, Phase(), 0, []),  # Portage believes the report, too
        (-9, Phase(returncode=1), 1, []),
        (-15, Phase(cancelled=True), 0, []),  # Portage ended what did not exit by itself
    ],
)
def test_a_killed_phase_is_no_success(status: int, phase: Phase, returncode: int, said: list[int]) -> None:
    phases.strict(lambda self, future: None)(phase, SimpleNamespace(result=lambda: status))
    assert (phase.returncode, phase.said) == (returncode, said)


def test_a_portage_that_is_not_as_expected_is_left_alone_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(loss: str, expected: object) -> None:
        raise UnknownPortageError("9.9", loss, ("a method is not there",))

    monkeypatch.setattr(probe, "check", check)
    monkeypatch.setattr(patching, "apply", lambda patches: pytest.fail("it was replaced"))
    phases.begin()
    said = capsys.readouterr().err
    assert phases.LOSS in said
    assert said.count("\n") == 1
