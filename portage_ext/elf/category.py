"""The multilib category of an ELF object, spelled as Portage spells it in REQUIRES and PROVIDES.

Sources: the processor supplements of the System V ABI for e_machine and e_flags; Portage's own names (dep/soname), which a
test compares with these for every machine.
"""

from __future__ import annotations

from typing import Final

_X86_64: Final = 62
_MACHINES: Final = {
    2: "sparc", 3: "x86", 4: "m68k", 8: "mips", 15: "hppa", 18: "sparc", 20: "ppc", 21: "ppc", 22: "s390", 40: "arm", 42: "sh",
    43: "sparc", 45: "arc", 50: "ia64", _X86_64: "x86", 93: "arc", 113: "nios2", 175: "e2k", 183: "arm", 195: "arc",
    224: "amdgpu", 243: "riscv", 247: "bpf", 253: "arc", 255: "arc", 258: "loong", 0x9026: "alpha",
}  # fmt: skip
"""e_machine to the first half of the category."""
_MIPS_ABI: Final = {0x1000: "o32", 0x2000: "o64", 0x3000: "eabi32", 0x4000: "eabi64"}
_LOONG_ABI: Final = {0x1: "lp64s", 0x2: "lp64f", 0x3: "lp64d", 0x5: "ilp32s", 0x6: "ilp32f", 0x7: "ilp32d"}


def category_of(machine: int, flags: int, bits: int) -> str | None:
    """The category for e_machine, e_flags and the class (32 or 64); None if it has no name."""
    family = _MACHINES.get(machine)
    if family is None:
        return None
    if family == "mips":
        abi = flags & 0xF000
        suffix = _MIPS_ABI.get(abi) if abi else ("n32" if flags & 0x20 else "n64" if bits == 64 else None)
    elif family == "loong":
        suffix = _LOONG_ABI.get(flags & 0x7)
    elif family == "riscv":
        base = "lp64" if bits == 64 else "ilp32"
        suffix = {0x1: base, 0x5: base + "d"}.get(flags)
    elif machine == _X86_64 and bits == 32:
        suffix = "x32"
    else:
        suffix = str(bits)
    return None if suffix is None else f"{family}_{suffix}"
