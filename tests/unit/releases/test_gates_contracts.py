"""A release whose packages need symbol versions that no build in it defines does not go live."""

from __future__ import annotations

from pathlib import Path

from portage_ext.releases.contents import parse
from portage_ext.releases.gates import Candidate
from portage_ext.releases.gates.contracts import ContractGate


def found(*contracts: str, provided: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    text = "PACKAGES: 1\n\n"
    for number, contract in enumerate(contracts):
        line = f"SYMBOL_CONTRACT: {contract}\n" if contract else ""
        text += f"CPV: a/p{number}-1\nPATH: a/p{number}-1.gpkg.tar\n{line}\n"
    contents = parse(text.encode(), "Packages")
    candidate = Candidate(Path("/nowhere"), "production", contents, {}, ())
    return [(one.where, one.what) for one in ContractGate(provided).check(candidate)]


PROVIDER = "1 < x86_64 libfoo.so.1:FOO_1,FOO_2"


def test_what_a_package_of_the_release_defines_is_met() -> None:
    assert not found("1 > x86_64 libfoo.so.1:FOO_1", PROVIDER)


def test_a_version_that_no_build_defines_is_named() -> None:
    [(where, what)] = found("1 > x86_64 libfoo.so.1:FOO_2,FOO_3", PROVIDER)
    assert where == "a/p0-1"
    assert "needs FOO_3 of libfoo.so.1" in what


def test_one_build_that_meets_it_is_enough() -> None:
    assert not found("1 > x86_64 libfoo.so.1:FOO_3", PROVIDER, "1 < x86_64 libfoo.so.1:FOO_1,FOO_2,FOO_3")


def test_another_category_does_not_help() -> None:
    assert found("1 > x86_32 libfoo.so.1:FOO_1", PROVIDER)


def test_a_library_of_the_clients_is_passed_over_when_the_administrator_says_so() -> None:
    assert found("1 > x86_64 libc.so.6:GLIBC_2.38")
    assert not found("1 > x86_64 libc.so.6:GLIBC_2.38", provided=("libc.*",))
    assert not found("1 > x86_64 ?libhost.so")


def test_a_line_that_is_no_contract_is_found() -> None:
    assert found("9 nonsense")


def test_a_package_without_a_contract_is_not_judged() -> None:
    assert not found("", PROVIDER)


def test_a_directory_of_which_not_all_is_recorded_may_hold_what_is_needed() -> None:
    need = "2 > x86_64 libprivate.so.1:P_1 / x86_64 /usr/lib64/app"
    assert found(need)
    assert not found(need, "2 @ x86_64 /usr/lib64/app ?")
    assert found(need, "2 @ x86_64 /usr/lib64/other ?")
    assert found(need, "2 @ x86_32 /usr/lib64/app ?")


def test_what_a_package_of_the_first_format_has_in_private_directories_is_not_known() -> None:
    needs = "2 > x86_64 libprivate.so:P_1 / x86_64 /usr/lib64/app"
    assert found(needs, "2 < x86_64 libfoo.so.1:FOO_1")
    assert not found(needs, PROVIDER)
    # Where everybody's libraries are, it has told all.
    assert found("2 > x86_64 libprivate.so:P_1", PROVIDER)
