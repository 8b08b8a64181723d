"""The features of a CPU, and whether code compiled with given flags runs on it, from texts of the kernel and of a compiler.

Features have the names of gcc's macros in lower case (``__AVX512VBMI2__``: avx512vbmi2). A compiler is asked for the macros of
given flags, so that no table of ``-march`` values is needed here. Without a compiler only the levels of the x86-64 psABI are
known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KERNEL: Final = {
    "3dnow": "3dnow", "3dnow_a": "3dnowext", "abm": "abm", "adx": "adx", "aes": "aes", "amx_bf16": "amx_bf16",
    "amx_complex": "amx_complex", "amx_fp16": "amx_fp16", "amx_int8": "amx_int8", "amx_tile": "amx_tile", "avx": "avx",
    "avx2": "avx2", "avx5124fmaps": "avx512_4fmaps", "avx5124vnniw": "avx512_4vnniw", "avx512bf16": "avx512_bf16",
    "avx512bitalg": "avx512_bitalg", "avx512bw": "avx512bw", "avx512cd": "avx512cd", "avx512dq": "avx512dq",
    "avx512er": "avx512er", "avx512f": "avx512f", "avx512fp16": "avx512_fp16", "avx512ifma": "avx512ifma",
    "avx512pf": "avx512pf", "avx512vbmi": "avx512vbmi", "avx512vbmi2": "avx512_vbmi2", "avx512vl": "avx512vl",
    "avx512vnni": "avx512_vnni", "avx512vp2intersect": "avx512_vp2intersect", "avx512vpopcntdq": "avx512_vpopcntdq",
    "avxifma": "avx_ifma", "avxneconvert": "avx_ne_convert", "avxvnni": "avx_vnni", "avxvnniint16": "avx_vnni_int16",
    "avxvnniint8": "avx_vnni_int8", "bmi": "bmi1", "bmi2": "bmi2", "cldemote": "cldemote", "clflushopt": "clflushopt",
    "clwb": "clwb", "clzero": "clzero", "cmov": "cmov", "cmpccxadd": "cmpccxadd", "cx16": "cx16", "enqcmd": "enqcmd",
    "f16c": "f16c", "fma": "fma", "fma4": "fma4", "fsgsbase": "fsgsbase", "fxsr": "fxsr", "gfni": "gfni", "hle": "hle",
    "lahf_sahf": "lahf_lm", "lwp": "lwp", "lzcnt": "abm", "mmx": "mmx", "movbe": "movbe", "movdir64b": "movdir64b",
    "movdiri": "movdiri", "mwaitx": "mwaitx", "pclmul": "pclmulqdq", "pconfig": "pconfig", "pku": "pku", "popcnt": "popcnt",
    "prefetchi": "prefetchi", "rdpid": "rdpid", "rdrnd": "rdrand", "rdseed": "rdseed", "rtm": "rtm", "serialize": "serialize",
    "sgx": "sgx", "sha": "sha_ni", "sha512": "sha512", "sm3": "sm3", "sm4": "sm4", "sse": "sse", "sse2": "sse2",
    "sse3": "pni", "sse4_1": "sse4_1", "sse4_2": "sse4_2", "sse4a": "sse4a", "ssse3": "ssse3", "tbm": "tbm",
    "tsxldtrk": "tsxldtrk", "vaes": "vaes", "vpclmulqdq": "vpclmulqdq", "waitpkg": "waitpkg", "wbnoinvd": "wbnoinvd",
    "xop": "xop", "xsave": "xsave", "xsavec": "xsavec", "xsaveopt": "xsaveopt", "xsaves": "xsaves",
}  # fmt: skip
"""Feature to the flag in /proc/cpuinfo (Linux, arch/x86/include/asm/cpufeatures.h)."""

_ASKED_FOR: Final = _names(
    "3dnow 3dnow_a adx amx_bf16 amx_complex amx_fp16 amx_int8 amx_tile cldemote clflushopt clwb clzero enqcmd fsgsbase fxsr hle"
    " hreset kl lwp movdir64b movdiri mwaitx pconfig pku prefetchi prefetchwt1 ptwrite rdpid rdrnd rdseed rtm serialize sgx sha"
    " sha512 sm3 sm4 tsxldtrk uintr user_msr vaes waitpkg wbnoinvd widekl xsave xsavec xsaveopt xsaves"
)
"""Features that a compiler never uses unless code asks for the instruction by name."""

_KNOWN: Final = _KERNEL.keys() | _ASKED_FOR

_NO_FEATURES: Final = _names(
    # A hint or a no-operation where the CPU lacks it; part of another feature; about the compiler itself.
    "biggest_alignment crc32 evex256 evex512 flt_eval_method prfchw shstk sse_math sse2_math"
)

_LEVELS: Final[tuple[frozenset[str], ...]] = (
    _names("cmov fxsr mmx sse sse2"),
    _names("cx16 lahf_sahf popcnt sse3 sse4_1 sse4_2 ssse3"),
    _names("avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave"),
    _names("avx512bw avx512cd avx512dq avx512f avx512vl"),
)
"""What each level of x86-64 adds to the one before (x86-64 psABI, 3.1.1)."""

_USE_FLAGS: Final = {
    "fma3": ("fma",), "mmxext": ("mmxext", "sse"), "padlock": ("phe",), "pclmul": ("pclmulqdq",), "popcnt": ("abm", "popcnt"),
    "sha": ("sha_ni",), "sse3": ("pni",),
} | {
    name: (name,)
    for name in _names(
        "3dnow 3dnowext aes avx avx2 avx_vnni avx512_4fmaps avx512_4vnniw avx512_bf16 avx512_bitalg avx512_fp16 avx512_vbmi2"
        " avx512_vnni avx512_vp2intersect avx512_vpopcntdq avx512bw avx512cd avx512dq avx512er avx512f avx512ifma avx512pf"
        " avx512vbmi avx512vl bmi1 bmi2 f16c fma4 mmx rdrand sse sse2 sse4_1 sse4_2 sse4a ssse3 vpclmulqdq xop"
    )
}  # fmt: skip
"""CPU_FLAGS_X86 to the flags in /proc/cpuinfo of which any makes it (Gentoo, profiles/desc/cpu_flags_x86.desc)."""

_LEVEL_NAME: Final = re.compile(r"x86-64(?:-v([2-4]))?")
_FLAG: Final = re.compile(r"-m(?:arch|cpu)=[A-Za-z0-9.+_-]{1,64}|-m(?:no-)?[a-z0-9][a-z0-9._-]{0,31}")
_MACRO: Final = re.compile(r"#define __([A-Z0-9][A-Z0-9_]*?)__ \S+")


@dataclass(frozen=True, slots=True)
class Cpu:
    """A CPU: the machine as uname says it, its name, the kernel's flags for it, and its features (x86 only)."""

    machine: str
    name: str
    flags: frozenset[str]
    features: frozenset[str]

    @property
    def level(self) -> int | None:
        """The level of x86-64 that it reaches, 1 to 4; None for other machines."""
        reached = 0
        for wanted in _LEVELS if self.is_x86_64 else ():
            if not wanted <= self.features:
                break
            reached += 1
        return reached or None

    @property
    def is_x86_64(self) -> bool:
        return "lm" in self.flags

    @property
    def use_flags(self) -> tuple[str, ...]:
        """CPU_FLAGS_X86, as app-portage/cpuid2cpuflags would name them; empty for other machines."""
        if self.machine not in _X86:
            return ()
        return tuple(sorted(name for name, any_of in _USE_FLAGS.items() if not self.flags.isdisjoint(any_of)))


@dataclass(frozen=True, slots=True)
class Needs:
    """What code compiled with some flags needs of an x86-64 CPU; ``unjudged`` are features that this table does not know."""

    features: frozenset[str]
    unjudged: frozenset[str] = frozenset()

    @classmethod
    def named(cls, names: Iterable[str]) -> Needs:
        """The features that another host names."""
        given = frozenset(names)
        return cls(given & _KNOWN, given - _KNOWN)


class Fit(Enum):
    """Whether code runs on a CPU."""

    RUNS = "runs"
    MOSTLY = "runs, but for code that asks for an instruction by name"
    CANNOT = "does not run"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the features that the CPU lacks for it."""

    fit: Fit
    lacking: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.fit.value}: this CPU lacks {' '.join(self.lacking)}" if self.lacking else self.fit.value


def parse(cpuinfo: str, machine: str) -> Cpu:
    """The CPU that the text of /proc/cpuinfo tells of; of several processors, what all of them have.

    ``machine`` is uname's. What is absent is empty; nothing is an error.
    """
    fields = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in cpuinfo.splitlines())]
    sets = [frozenset(value.split()) for key, value in fields if key in ("flags", "Features", "features", "isa")]
    flags = frozenset.intersection(*sets) if sets else frozenset()
    # "model name" on x86, others for other machines.
    names = [value for wanted in ("model name", "cpu", "uarch", "Model") for key, value in fields if key == wanted]
    features = frozenset(name for name, flag in _KERNEL.items() if flag in flags) if machine in _X86 else frozenset[str]()
    return Cpu(machine, names[0] if names else "", flags, features)


_X86: Final = frozenset({"x86_64", "i386", "i486", "i586", "i686"})


NATIVE: Final = "-march=native"


def machine_flags(words: Iterable[str]) -> tuple[str, ...]:
    """The flags of CFLAGS that choose instructions, ``-march=`` and ``-m…``, and only what a compiler may be handed."""
    return tuple(word for word in words if _FLAG.fullmatch(word))


def is_native(words: Iterable[str]) -> bool:
    """Whether a compiler given ``words`` builds for the machine that it runs on: of several ``-march=`` the last counts."""
    return [word for word in words if word.startswith("-march=")][-1:] == [NATIVE]


def needs_of_macros(macros: str, baseline: str) -> Needs:
    """What code needs, from a compiler's macros (``-dM -E``) with the flags, and with ``-march=x86-64``."""
    found = {name.lower() for name in _MACRO.findall(macros)} - {name.lower() for name in _MACRO.findall(baseline)}
    if "#define __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16 " in macros:
        found.add("cx16")
    found = {name for name in found - _NO_FEATURES if not name.startswith(("flt_", "fp_", "tune_"))}
    return Needs.named(_LEVELS[0] | found)


def needs_of_level(march: str) -> Needs | None:
    """What ``-march=x86-64`` to ``-march=x86-64-v4`` need, known without a compiler; None for another name."""
    match = _LEVEL_NAME.fullmatch(march)
    return Needs(frozenset().union(*_LEVELS[: int(match[1] or 1)])) if match else None


def level_for(needs: Needs) -> int:
    """The lowest level of x86-64 that has all that compilers use of ``needs`` by themselves; 0 when none has."""
    wanted = needs.features - _ASKED_FOR - {"abm"}
    levels = [number for number in range(1, 5) if wanted <= frozenset().union(*_LEVELS[:number])]
    return levels[0] if levels and not needs.unjudged else 0


def judge(needs: Needs | None, cpu: Cpu) -> Judgement:
    """Whether code with ``needs`` (None: not known) runs on ``cpu``."""
    if needs is None or not cpu.is_x86_64:
        return Judgement(Fit.UNKNOWN)
    lacking = needs.features - cpu.features
    if lacking - _ASKED_FOR:
        return Judgement(Fit.CANNOT, tuple(sorted(lacking - _ASKED_FOR)))
    if needs.unjudged:
        return Judgement(Fit.UNKNOWN)
    return Judgement(Fit.MOSTLY, tuple(sorted(lacking))) if lacking else Judgement(Fit.RUNS)


def resolved_without_compiler(cpu: Cpu) -> tuple[str, ...]:
    """``-march=native`` as flags, from the kernel's flags alone: the level, and no more than all compilers know."""
    level = cpu.level
    return () if level is None else ("-march=x86-64",) if level == 1 else (f"-march=x86-64-v{level}",)


def native_flags(command: Sequence[str]) -> tuple[str, ...]:
    """The ``-march=`` and ``-m…`` flags in the words of the compiler proper that ``-march=native`` made (``-###``)."""
    return tuple(flag for flag in machine_flags(command) if flag != NATIVE)


def least_flags(flags: Sequence[str], enabled: frozenset[str]) -> tuple[str, ...]:
    """``flags`` without what their ``-march=`` says already; ``enabled`` are the options on with that alone (``avx2``)."""

    def says_more(flag: str) -> bool:
        option = flag.removeprefix("-m").removeprefix("no-")
        return flag.startswith(("-march=", "-mcpu=")) or (option in enabled) == flag.startswith("-mno-")

    return tuple(flag for flag in flags if says_more(flag))


def enabled_options(target_help: str) -> frozenset[str]:
    """The options on, without ``-m``, in the compiler's ``-Q --help=target``."""
    rows = (line.split() for line in target_help.splitlines())
    return frozenset(row[0].removeprefix("-m") for row in rows if len(row) == 2 and row[1] == "[enabled]")
