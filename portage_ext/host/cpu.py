"""This host's CPU, as its kernel and compiler describe it. Missing sources make an answer less exact, but never an error."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from portage_ext import limits
from portage_ext.host.answers import Answers, identity
from portage_ext.model.builder import Builder
from portage_ext.policy import cpu
from portage_ext.policy.cpu import Cpu, Judgement, Needs

_BASELINE = ("-march=x86-64",)


@dataclass(frozen=True, slots=True)
class Native:
    """``-march=native`` resolved: the shortest equivalent flags, all flags, and the source."""

    flags: tuple[str, ...]
    every: tuple[str, ...]
    source: str


@cache
def here() -> Cpu:
    """The CPU of this host, from CPUID as the compiler reads it and from the kernel."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        text = ""
    found = cpu.parse(text, platform.machine())
    native = needs((cpu.NATIVE,), ours=True) if found.is_x86_64 else None
    return found if native is None else replace(found, features=found.features | native.features)


@cache
def native(chost: str = "") -> Native:
    """What ``-march=native`` means on this host, for the compiler of ``chost`` or else the default one."""
    words = _words(_ask(("-###", "-E", cpu.NATIVE, "-x", "c", os.devnull), chost, stderr=True))
    every = cpu.native_flags(words)
    if not every:
        flags = cpu.resolved_without_compiler(here())
        return Native(flags, flags, "/proc/cpuinfo, because gcc is not installed")
    march = [flag for flag in every if flag.startswith(("-march=", "-mcpu="))]
    enabled = cpu.enabled_options(_ask((*march, "-Q", "--help=target"), chost))
    return Native(cpu.least_flags(every, enabled), every, _ask(("--version",), chost).partition("\n")[0])


def judge(cflags: Sequence[str], chost: str = "", *, ours: bool = False) -> Judgement:
    """Whether what was compiled with ``cflags`` runs on this host; see :func:`needs`."""
    return cpu.judge(needs(cflags, chost, ours=ours), here())


def judge_builder(theirs: Builder) -> Judgement:
    """Whether what a builder builds runs on this host: by the features that it names, else by its flags."""
    if theirs.cpu_needs:
        return cpu.judge(Needs.named(theirs.cpu_needs), here())
    return judge(theirs.march or theirs.cflags, theirs.chost)


def needs(cflags: Sequence[str], chost: str = "", *, ours: bool = False) -> Needs | None:
    """What code compiled with ``cflags`` needs; None if that is unknown.

    ``-march=native`` means this host's CPU only if the flags are ``ours``; for another host it is unknown.
    """
    flags = cpu.machine_flags(cflags)
    if cpu.NATIVE in flags and not ours:
        return None
    baseline = _ask((*_BASELINE, "-dM", "-E", "-x", "c", os.devnull), chost)
    macros = _ask((*(flags or _BASELINE), "-dM", "-E", "-x", "c", os.devnull), chost)
    if baseline and macros:
        return cpu.needs_of_macros(macros, baseline)
    named = [flag.removeprefix("-march=") for flag in flags if flag.startswith("-march=")]
    more = [flag for flag in flags if not flag.startswith("-march=")]
    return cpu.needs_of_level(named[-1] if named else "x86-64") if not more else None


_memory: Answers | None = None


def remember(eroot: Path) -> None:
    """Keep what the compiler says from now on in a place of the host at ``eroot``, and take from there what it said before."""
    global _memory
    _memory = Answers.below(eroot)


@cache
def _ask(arguments: tuple[str, ...], chost: str, *, stderr: bool = False) -> str:
    """The output of the compiler; empty if there is none or if it fails."""
    for name in filter(None, (f"{chost}-gcc" if chost else "", "gcc")):
        who = identity(name) if _memory is not None else None
        question = (*arguments, "2>" if stderr else ">")
        if _memory is not None and who is not None and (known := _memory.known(who, question)) is not None:
            return known
        try:
            done = subprocess.run(
                [name, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={**{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}, "LC_ALL": "C"},
                timeout=limits.COMPILER_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            answer = (done.stderr if stderr else done.stdout)[: limits.COMPILER_OUTPUT].decode("utf-8", "replace")
            if _memory is not None and who is not None:
                _memory.keep(who, question, answer)
            return answer
    return ""


def _words(text: str) -> list[str]:
    """The words of the line that runs the compiler proper."""
    for line in text.splitlines():
        if line.startswith(" ") and "cc1" in line:
            return shlex.split(line)
    return []
