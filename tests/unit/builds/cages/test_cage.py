"""A cage is plain data on its way into the process that makes it true."""

from __future__ import annotations

from portage_ext.builds.cages.cage import Bind, Bounds, Cage, Over, parse


def test_a_cage_comes_back_as_it_was() -> None:
    cage = Cage(
        layers=(Over(("/a", "/b,c:d"), "/"), Over(("/e",), "/prefix")),
        scratch="/scratch",
        command=("sh", "-c", "true"),
        environment={"PATH": "/bin"},
        bounds=Bounds(1, 2, 3, 4.5, 6),
        binds=(Bind("/x", "/y", True),),
        network=True,
        name="laptop",
        results="/r",
        out="/o",
    )
    assert parse(cage.emit()) == cage
