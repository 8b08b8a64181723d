"""`portage-ext snapshot diff` says why it has nothing to compare with."""

from __future__ import annotations

import pytest

from portage_ext.cli.snapshot import chosen
from portage_ext.errors import RequestError
from portage_ext.snapshots.keeping import Snapshot


def test_no_snapshot_was_made_yet() -> None:
    with pytest.raises(RequestError, match=r"no snapshot was made yet; .* set policy in \[snapshot\]"):
        chosen([], None)


def test_a_number_that_no_snapshot_has() -> None:
    known = [Snapshot(number, "btrfs", "/s", 0, "", (), ()) for number in (1, 2)]
    assert chosen(known, None).number == 2
    with pytest.raises(RequestError, match="there is no snapshot 9; there are 1, 2"):
        chosen(known, 9)
