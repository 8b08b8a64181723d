"""Whatever a package says of its dependencies is a value, or a reason why that package alone is left out."""

from __future__ import annotations

import pytest

from portage_ext.host.depend import DependEvaluator


def test_groups_deeper_than_portage_can_read_are_a_reason_and_no_crash() -> None:
    deep = "|| ( a/b ( c/d " * 5000 + "e/f" + " ) )" * 5000
    with pytest.raises(ValueError, match="nested too deeply"):
        DependEvaluator()("RDEPEND", deep, frozenset())
