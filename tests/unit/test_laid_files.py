"""What the installer puts into a system, and what an administrator copies from etc/, reads well in an editor of 80 columns."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def test_comments_fit_79_columns() -> None:
    files = [path for name in ("bashrc.d", "etc") for path in (CHECKOUT / name).rglob("*") if path.is_file()]
    assert len(files) > 15
    lines = [(path.name, line) for path in files for line in path.read_text().splitlines()]
    assert [one for one in lines if one[1].lstrip().startswith("#") and len(one[1].expandtabs()) > 79] == []
