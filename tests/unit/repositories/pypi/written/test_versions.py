"""PEP 440 as PMS: a table, and examples by hypothesis that packaging and Portage must judge alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from portage_ext.errors.pypi import NoReleaseError
from portage_ext.repositories.pypi.written.versions import atoms, order, pep440, pms, satisfied, translated

PACKAGE = "dev-python/x"
VERSIONS = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda numbers: ".".join(map(str, numbers)))
SERIES = VERSIONS.filter(lambda text: "." in text)


@pytest.mark.parametrize(
    ("upstream", "gentoo"),
    [
        ("1.0", "1.0"), ("2024.07.04", "2024.7.4"), ("1.0a1", "1.0_alpha1"), ("1.0.b2", "1.0_beta2"), ("1.0rc3", "1.0_rc3"),
        ("1.0.post4", "1.0_p4"), ("1.0-5", "1.0_p5"), ("1.0.dev6", "1.0_pre6"), ("1.0a1.dev2", "1.0_alpha1_pre2"),
        ("v1.0", "1.0"), ("1.0.post1.dev2", "1.0_p1_pre2"),
    ],
)  # fmt: skip
def test_versions(upstream: str, gentoo: str) -> None:
    assert pms(Version(upstream)) == gentoo
    assert pep440(gentoo) == Version(upstream)
    assert pep440(f"{gentoo}-r2") == Version(upstream)
    assert Version(translated(gentoo)) == Version(upstream)


@pytest.mark.parametrize("upstream", ["1!1.0", "1.0+local"])
def test_versions_without_a_counterpart(upstream: str) -> None:
    with pytest.raises(NoReleaseError):
        pms(Version(upstream))


@pytest.mark.parametrize("pvr", ["1.0a", "1.0_p1_p2", "9999-r1x", "1" * 100, "$(id)", "1.0_alpha_beta"])
def test_what_is_no_pep_440_version(pvr: str) -> None:
    assert pep440(pvr) is None


@pytest.mark.parametrize(
    ("specifiers", "known", "expected"),
    [
        ("", [], ["dev-python/x[u]"]),
        (">=1.0", [], [">=dev-python/x-1.0[u]"]),
        (">=1.0", ["1"], [">=dev-python/x-1[u]"]),
        ("<2", [], ["<dev-python/x-2[u]"]),
        (">1.0", [], [">dev-python/x-1.0-r9999[u]"]),
        ("<=1.0", ["1.0-r1"], ["<=dev-python/x-1.0-r9999[u]"]),
        ("==1.0", [], ["~dev-python/x-1.0[u]"]),
        ("==1.0", ["1.0.0-r2"], ["~dev-python/x-1.0.0[u]"]),
        ("==1.2.*", ["1.2.3"], ["=dev-python/x-1.2*[u]"]),
        ("==1.0.*", ["1"], [">=dev-python/x-1[u]", "<dev-python/x-1.1[u]"]),
        ("!=1.5", [], ["dev-python/x[u]", "!~dev-python/x-1.5"]),
        ("!=1.5.*,>=1", [], ["!=dev-python/x-1.5*", ">=dev-python/x-1[u]"]),
        ("~=1.4.2", [], [">=dev-python/x-1.4.2[u]", "=dev-python/x-1.4*[u]"]),
        ("~=2.2", [], [">=dev-python/x-2.2[u]", "=dev-python/x-2*[u]"]),
        (">=1.0rc1", [], [">=dev-python/x-1.0_rc1[u]"]),
    ],
)
def test_atoms(specifiers: str, known: list[str], expected: list[str]) -> None:
    assert list(atoms(SpecifierSet(specifiers), PACKAGE, "[u]", known)) == expected


@pytest.mark.parametrize("specifiers", ["===1.0", "==1.0+local", ">=1!2", "==1!2.*"])
def test_what_pms_cannot_say(specifiers: str) -> None:
    with pytest.raises(NoReleaseError):
        atoms(SpecifierSet(specifiers), PACKAGE, "", [])


@given(
    operator=st.sampled_from([">=", "<", ">", "<=", "==", "!=", "~=", "==*", "!=*"]),
    wanted=SERIES,
    known=st.lists(VERSIONS, min_size=1, max_size=6, unique_by=Version),
)
def test_portage_judges_versions_as_packaging_does(operator: str, wanted: str, known: list[str]) -> None:
    """For final releases; PMS sees no difference between 1.0 and a later file of the same version."""
    from portage.dep import Atom, match_from_list

    text = f"{operator[:2]}{wanted}.*" if operator.endswith("*") else f"{operator}{wanted}"
    specifiers = SpecifierSet(text)
    found = atoms(specifiers, PACKAGE, "", known)
    for version in known:
        cpv = f"{PACKAGE}-{version}-r1"
        matches = all(bool(match_from_list(Atom(atom.lstrip("!")), [cpv])) != atom.startswith("!") for atom in found)
        assert matches == specifiers.contains(version), (found, version)


PMS = st.builds(
    lambda numbers, letter, suffixes, revision: ".".join(numbers) + letter + "".join(suffixes) + revision,
    st.lists(st.sampled_from(["0", "1", "2", "10", "01", "010", "09", "100"]), min_size=1, max_size=3),
    st.sampled_from(["", "a", "b"]),
    st.lists(st.sampled_from(["_alpha", "_beta1", "_pre", "_rc2", "_p", "_p1"]), max_size=2),
    st.sampled_from(["", "-r0", "-r1", "-r10"]),
)


@given(one=PMS, other=PMS)
def test_versions_are_ordered_as_portage_orders_them(one: str, other: str) -> None:
    from portage.versions import vercmp

    first, second = order(one), order(other)
    assert first is not None
    assert second is not None
    assert (first > second) - (first < second) == (vercmp(one, other) > 0) - (vercmp(one, other) < 0)


@pytest.mark.parametrize("text", ["", "a", "1.", "1_x", "1-r", "1ab", "1-r1-r2", "x1", "1 "])
def test_what_is_no_version_has_no_order(text: str) -> None:
    assert order(text) is None


def test_a_version_that_cannot_be_compared_counts() -> None:
    assert satisfied(SpecifierSet(">=2"), ["1.0a"])
    assert not satisfied(SpecifierSet(">=2"), ["1.0", "1.9-r3"])
