"""GLSAs as Gentoo writes them (glsa.dtd), in a directory that GLSA_DIR names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_TEXT: Final = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE glsa SYSTEM "http://www.gentoo.org/dtd/glsa.dtd">
<glsa id="{glsa}">
  <title>{title}</title>
  <synopsis>A hole.</synopsis>
  <product type="ebuild">{name}</product>
  <announced>2024-01-01</announced>
  <revised count="1">2024-01-01</revised>
  <bug>1</bug>
  <access>remote</access>
  <affected>
    <package name="{name}" auto="yes" arch="{arch}">
      <unaffected range="ge"{slot}>{mended}</unaffected>
      <vulnerable range="lt"{slot}>{mended}</vulnerable>
    </package>
  </affected>
  <background><p>None.</p></background>
  <description><p>None.</p></description>
  <impact type="high"><p>None.</p></impact>
  <workaround><p>None.</p></workaround>
  <resolution><p>Upgrade.</p></resolution>
  <references><uri link="https://example.invalid/">CVE-1</uri></references>
</glsa>
"""


def write(
    directory: Path, glsa: str, name: str, mended: str, *, arch: str = "*", slot: str = "", title: str = "A hole"
) -> None:
    """A GLSA: versions of ``name`` before ``mended`` are vulnerable, on ``arch`` and in ``slot`` (empty: every slot)."""
    directory.mkdir(parents=True, exist_ok=True)
    of_slot = f' slot="{slot}"' if slot else ""
    text = _TEXT.format(glsa=glsa, name=name, mended=mended, arch=arch, slot=of_slot, title=title)
    (directory / f"glsa-{glsa}.xml").write_text(text)
