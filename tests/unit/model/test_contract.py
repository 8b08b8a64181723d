from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors import InvalidContractError
from portage_ext.limits import CONTRACT_SIZE
from portage_ext.model.contract import Need, SymbolContract

NAME = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FFF), min_size=1, max_size=12)
CATEGORY = st.sampled_from(["x86_64", "x86_32", "arm_64"])
VERSIONS = st.frozensets(NAME, max_size=4)
CONTRACT = st.builds(
    lambda needs, defines, search: SymbolContract(
        tuple(Need(*key, *rest) for key, rest in sorted(needs.items())), defines, search
    ),
    st.dictionaries(st.tuples(CATEGORY, NAME), st.tuples(VERSIONS, st.booleans()), max_size=4),
    st.dictionaries(st.tuples(CATEGORY, NAME), VERSIONS, max_size=4),
    st.dictionaries(CATEGORY, st.lists(NAME.map(lambda n: "/" + n), min_size=1, max_size=2).map(tuple), max_size=2),
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
    )
    assert str(contract) == (
        "1 > x86_64 libc.so.6:GLIBC_2.2.5,GLIBC_2.34 ?libhost.so.2 libz.so.1 / x86_64 /usr/lib64/app < x86_64 libfoo.so.1:FOO_1"
    )


@pytest.mark.parametrize(
    "line",
    [
        "", "2 > x86_64 libc.so.6", "1 libc.so.6", "1 >", "1 > ../x libc.so.6", "1 > x86_64 :A", "1 > x86_64 libc.so.6:",
        "1 / x86_64 lib", "1 ! x86_64 libc.so.6", "1 " + "x" * CONTRACT_SIZE,
    ],
)  # fmt: skip
def test_line_that_nobody_wrote_is_refused_by_name(line: str) -> None:
    with pytest.raises(InvalidContractError):
        SymbolContract.parse(line)
