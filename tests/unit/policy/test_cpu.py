from __future__ import annotations

import pytest

from portage_ext.policy import cpu
from portage_ext.policy.cpu import Fit, Needs

# Flags as the kernel tells them of an Intel Core i5-4570 (Haswell), and of a Core 2 E6600.
CORE2 = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush dts acpi mmx fxsr sse sse2 ht tm pbe "
    "syscall nx lm constant_tsc pni dtes64 monitor ds_cpl vmx est tm2 ssse3 cx16 xtpr pdcm lahf_lm"
)
HASWELL = (
    f"{CORE2} pclmulqdq fma sse4_1 sse4_2 movbe popcnt aes xsave avx f16c rdrand abm fsgsbase bmi1 avx2 bmi2 erms xsaveopt"
)
ARM = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics\nCPU implementer\t: 0x41\n"


def of(*flags: str, name: str = "Some CPU") -> cpu.Cpu:
    text = "".join(f"processor\t: {n}\nmodel name\t: {name}\nflags\t\t: {one}\n\n" for n, one in enumerate(flags))
    return cpu.parse(text, "x86_64")


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        (CORE2.replace("ssse3", "").replace("lm ", "lm "), 1),
        (f"{CORE2} sse4_1 sse4_2 popcnt", 2),
        (HASWELL, 3),
        (HASWELL.replace(" abm", ""), 2),
        (f"{HASWELL} avx512f avx512bw avx512cd avx512dq avx512vl", 4),
        (f"{HASWELL} avx512f avx512cd avx512er avx512pf", 3),
    ],
)
def test_the_level_is_the_highest_whose_features_are_all_there(flags: str, level: int) -> None:
    assert of(flags).level == level


def test_of_several_processors_counts_what_all_have() -> None:
    assert of(HASWELL, HASWELL.replace(" avx2", "")).level == 2


def test_use_flags_are_named_as_the_tree_names_them() -> None:
    assert " ".join(of(HASWELL).use_flags) == (
        "aes avx avx2 bmi1 bmi2 f16c fma3 mmx mmxext pclmul popcnt rdrand sse sse2 sse3 sse4_1 sse4_2 ssse3"
    )


def test_another_machine_is_no_error_and_nothing_is_claimed_of_it() -> None:
    arm = cpu.parse(ARM, "aarch64")
    assert (arm.level, arm.use_flags, arm.features) == (None, (), frozenset())
    assert "asimd" in arm.flags
    assert cpu.judge(cpu.needs_of_level("x86-64-v2"), arm).fit is Fit.UNKNOWN
    assert cpu.resolved_without_compiler(arm) == ()


@pytest.mark.parametrize("text", ["", "flags", "flags:", "\0\n::\nflags : \n"])
def test_a_cpuinfo_that_says_nothing_is_no_error(text: str) -> None:
    assert cpu.parse(text, "x86_64").level is None


def test_a_lacking_instruction_that_compilers_use_is_a_no() -> None:
    judged = cpu.judge(cpu.needs_of_level("x86-64-v4"), of(HASWELL))
    assert judged.fit is Fit.CANNOT
    assert judged.lacking == ("avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")


def test_one_that_only_named_code_uses_is_told_apart() -> None:
    judged = cpu.judge(Needs(frozenset({"avx2", "rdseed"})), of(HASWELL))
    assert (judged.fit, judged.lacking) == (Fit.MOSTLY, ("rdseed",))


def test_a_feature_of_the_future_is_neither_a_yes_nor_a_no() -> None:
    needs = cpu.needs_of_macros(
        "#define __AVX2__ 1\n#define __AVX1024F__ 1\n#define __FP_FAST_FMA 1\n", "#define __x86_64__ 1\n"
    )
    assert needs.unjudged == {"avx1024f"}
    assert cpu.judge(needs, of(HASWELL)).fit is Fit.UNKNOWN


@pytest.mark.parametrize(
    "word", ["-march=native; rm -rf ~", "-mfoo=/etc/shadow", "@/etc/passwd", "-fplugin=x.so", "-m", "-march=", "-march=../x"]
)
def test_only_words_that_choose_instructions_reach_a_compiler(word: str) -> None:
    assert cpu.machine_flags(["-O2", word, "-march=haswell", "-mno-avx2"]) == ("-march=haswell", "-mno-avx2")


def test_the_shortest_flags_leave_out_what_march_says() -> None:
    flags = ("-march=haswell", "-mavx2", "-mno-xop", "-mno-rtm", "-mgfni")
    assert cpu.least_flags(flags, frozenset({"avx2", "rtm"})) == ("-march=haswell", "-mno-rtm", "-mgfni")


def test_last_march_counts() -> None:
    """As setup_hooks.sh spells out native: after it."""
    assert cpu.is_native(["-O2", "-march=native"])
    assert cpu.is_native(["-march=haswell", "-march=native", "-pipe"])
    assert not cpu.is_native(["-march=native", "-march=haswell"])
    assert not cpu.is_native(["-O2"])
