"""What a child process writes is read by its parent."""

from __future__ import annotations

import os

from portage_ext.emerge.lacking.forked import Note


def test_the_parent_reads_what_the_child_wrote_last() -> None:
    note = Note()
    assert note.read() is None
    child = os.fork()
    if child == 0:
        note.write(["first", "and longer"])
        note.write(["last"])
        os._exit(0)
    os.waitpid(child, 0)
    assert note.read() == ["last"]
