"""Our form of a dependency expression is what Portage's ``use_reduce`` makes of it, in every supported Portage."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.trust.expressions import normal
from tests.system.index import sandbox
from tests.testkit import differential, portages
from tests.testkit.expressions import CASES

SCRIPT = """
import json, sys
from portage.dep import Atom, paren_enclose, use_reduce
from portage.exception import InvalidDependString

def stages(text, use, atoms):
    found = []
    try:
        while not found or found[-1] != text:
            text = found[-1] if found else text
            found.append(paren_enclose(use_reduce(text, uselist=use, token_class=Atom if atoms else None)))
    except InvalidDependString:
        assert not found
    return found

print(json.dumps([stages(*case) for case in json.load(open(sys.argv[1]))]))
"""


@pytest.mark.parametrize("version", portages.outermost())
def test_differential_with_portages_use_reduce(work: Path, version: str) -> None:
    """What Portage makes of a text once (as its index has it), twice (as it has others), or until nothing changes."""
    cases = differential.drawn(CASES)
    root = sandbox.make_root(work, version=version)
    refused = 0
    for (text, use, atoms), stages in zip(cases, differential.answers(root, SCRIPT, cases), strict=True):
        try:
            ours = " ".join(normal(text, frozenset(use), atoms=atoms))
        except ValueError:
            assert not stages, text
            refused += 1
            continue
        assert stages, text
        assert ours == stages[-1], text
        assert {" ".join(normal(one, frozenset(use), atoms=atoms)) for one in stages} == {ours}, text
    assert 0 < refused < len(cases) / 2
