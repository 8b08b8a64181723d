"""What the vdb says of a large package is read to its end."""

from __future__ import annotations

from pathlib import Path

from portage_ext.hooks.owners import objects


def test_every_object_of_a_package_with_many_large_ones_is_known(work: Path) -> None:
    linked = ",".join(f"libsomething{number}.so.1" for number in range(100))
    lines = [f"X86_64;/usr/lib64/suite/lib{number}.so;lib{number}.so;;{linked};x86_64" for number in range(1000)]
    (work / "NEEDED.ELF.2").write_text("\n".join(lines) + "\n")
    assert len(list(objects(work))) == 1000


def test_a_damaged_line_does_not_hide_the_others(work: Path) -> None:
    (work / "NEEDED.ELF.2").write_text("X86_64;/usr/lib/a\0.so;a.so;;;x86_64\nX86_64;/usr/lib/b.so;b.so;;;x86_64\n")
    assert [path for path, _ in objects(work)] == ["/usr/lib/b.so"]
