from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors import InvalidContractError
from portage_ext.limits import CONTRACT_PRIVATE, CONTRACT_SIZE
from portage_ext.model.contract import ANY, Need, SymbolContract, bounded

NAME = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FFF), min_size=1, max_size=12)
CATEGORY = st.sampled_from(["x86_64", "x86_32", "arm_64"])
VERSIONS = st.frozensets(NAME, max_size=4)
CONTRACT = st.builds(
    lambda needs, defines, search, private: SymbolContract(
        tuple(Need(*key, *rest) for key, rest in sorted(needs.items())), defines, search, private
    ),
    st.dictionaries(st.tuples(CATEGORY, NAME), st.tuples(VERSIONS, st.booleans()), max_size=4),
    st.dictionaries(st.tuples(CATEGORY, NAME), VERSIONS, max_size=4),
    st.dictionaries(CATEGORY, st.lists(NAME.map(lambda n: "/" + n), min_size=1, max_size=2).map(tuple), max_size=2),
    st.none() | st.dictionaries(st.tuples(NAME.map(lambda n: "/" + n), st.tuples(CATEGORY, NAME)), VERSIONS, max_size=4),
)


@given(CONTRACT)
def test_line_comes_back_as_the_same_contract_whatever_the_names_are(contract: SymbolContract) -> None:
    line = str(contract)
    assert line.split() == line.split(" ")
    assert line.isascii()
    assert SymbolContract.parse(line) == contract
    assert str(SymbolContract.parse(line)) == line


def test_line_is_what_the_module_shows() -> None:
    contract = SymbolContract(
        (
            Need("x86_64", "libz.so.1"),
            Need("x86_64", "libc.so.6", frozenset({"GLIBC_2.34", "GLIBC_2.2.5"})),
            Need("x86_64", "libhost.so.2", plugin=True),
        ),
        {("x86_64", "libfoo.so.1"): frozenset({"FOO_1"})},
        {"x86_64": ("/usr/lib64/app",)},
        {("/usr/lib64/foo", ("x86_64", "libcommon.so")): frozenset({"C_1"})},
    )
    assert str(contract) == (
        "2 > x86_64 libc.so.6:GLIBC_2.2.5,GLIBC_2.34 ?libhost.so.2 libz.so.1 / x86_64 /usr/lib64/app "
        "@ x86_64 /usr/lib64/foo libcommon.so:C_1 < x86_64 libfoo.so.1:FOO_1"
    )


@pytest.mark.parametrize(
    "line",
    [
        "", "3 > x86_64 libc.so.6", "1 @ x86_64 /d liba.so", "2 @ x86_64 /d", "2 @ x86_64 d liba.so",
        "1 libc.so.6", "1 >", "1 > ../x libc.so.6", "1 > x86_64 :A", "1 > x86_64 libc.so.6:",
        "1 / x86_64 lib", "1 ! x86_64 libc.so.6", "1 " + "x" * CONTRACT_SIZE,
    ],
)  # fmt: skip
def test_line_that_nobody_wrote_is_refused_by_name(line: str) -> None:
    with pytest.raises(InvalidContractError):
        SymbolContract.parse(line)


def test_contract_of_the_first_format_does_not_know_what_is_private() -> None:
    old = SymbolContract.parse("1 > x86_64 libz.so.1 < x86_64 liba.so")
    assert old.private is None
    assert str(old) == "1 > x86_64 libz.so.1 < x86_64 liba.so"
    assert SymbolContract.parse("2 < x86_64 liba.so").private == {}


def test_directories_below_an_offset_prefix_are_those_of_the_host_that_reads_them() -> None:
    library = ("x86_64", "libp.so")
    built = SymbolContract((), {}, {"x86_64": ("/a/lib/app", "/opt/x")}, {("/a/lib/p", library): frozenset()})
    line = str(built.portable("/a"))
    assert line == "2 / x86_64 ~/lib/app /opt/x @ x86_64 ~/lib/p libp.so"
    there = SymbolContract.parse(line).placed("/b")
    assert there.search == {"x86_64": ("/b/lib/app", "/opt/x")}
    assert there.private == {("/b/lib/p", library): frozenset()}
    assert SymbolContract.parse(line).placed("").private == {("/lib/p", library): frozenset()}
    # Nothing is installed outside a prefix: what another host has there is not known here.
    assert built.placed("/b").private is None


def test_contract_of_very_many_private_libraries_stays_short() -> None:
    plugins = {("/p", ("x86_64", f"lib{n}.so")): frozenset[str]() for n in range(CONTRACT_PRIVATE)}
    one = {("/q", ("x86_64", "libq.so")): frozenset({"Q_1"})}
    assert bounded(plugins) == plugins
    assert bounded(plugins | one) == {("/p", ("x86_64", ANY)): frozenset(), **one}
    scattered = {(f"/p{n}", ("x86_64", "libp.so")): frozenset[str]() for n in range(CONTRACT_PRIVATE + 1)}
    assert bounded(scattered) is None
