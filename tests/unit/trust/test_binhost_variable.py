"""What Portage does with each URL of PORTAGE_BINHOST; tests/system/check asks Portage itself."""

from __future__ import annotations

from portage_ext.trust.binhost_variable import named
from portage_ext.trust.defeats import BinrepoValues

LAB = BinrepoValues("lab", "http://h/lab", location="/var/cache/binhost/lab")
HOMELESS = BinrepoValues("lab", "http://h/lab")
OTHER = BinrepoValues("0123", "http://h/other", from_binhost_variable=True)


def test_the_same_as_a_section() -> None:
    (one,) = named("http://h/lab/", [LAB])
    assert (one.section, "uses the section and ignores the URL" in one.what) == ("lab", True)
    assert "PKGDIR" not in one.what
    (one,) = named("http://h/lab", [HOMELESS])
    assert "packages of [lab] are kept in PKGDIR" in one.what


def test_beside_the_sections() -> None:
    one, two = named("http://h/other http://h/lab", [OTHER, LAB])
    assert (one.section, two.section) == ("", "lab")
    assert "another binhost, named 0123," in one.what


def test_nothing_to_say() -> None:
    assert list(named("", [LAB])) == []
