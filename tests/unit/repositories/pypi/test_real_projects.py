"""What real projects say (facts of their METADATA, in real_projects.json), and the atoms, licence and Pythons that follow.

The expectations were read by a person, one by one, when they were frozen. ``[]`` stands for ``[${PYTHON_USEDEP}]``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portage_ext.errors.pypi import UnknownLicenceError
from portage_ext.repositories.pypi.published import metadata
from portage_ext.repositories.pypi.written import licences, requirements, targets
from portage_ext.repositories.pypi.written.dependencies import Provider, lines

REAL: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("real_projects.json").read_text())


@pytest.mark.parametrize("name", REAL)
def test_a_real_project(name: str) -> None:
    expected = REAL[name]
    said = metadata.parse("\n".join(expected["fields"]).encode(), name)
    pythons = targets.compatible(targets.DEFAULT, said.requires_python)
    needs = requirements.needs(said.requirements, pythons, (), name).needs
    found = [one.strip() for one in lines(needs, pythons, lambda project: Provider(f"dev-python/{project}"))]
    assert [one.replace("[${PYTHON_USEDEP}]", "[]") for one in found] == expected["dependencies"]
    assert targets.words(pythons) == expected["python"]
    if expected["licence"] is None:
        with pytest.raises(UnknownLicenceError):
            licences.licence(said, licences.BUILT_IN)
    else:
        assert licences.licence(said, licences.BUILT_IN).words == expected["licence"]
