"""portage-ext cpu: what -march=native means on this host, and whether code for another CPU runs here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from portage_ext.cli import objects
from portage_ext.cli.screen import Screen
from portage_ext.gpkg.describe import describe
from portage_ext.host import cpu
from portage_ext.model import PACKAGE_SUFFIXES, builder
from portage_ext.policy.cpu import Fit, Judgement, is_native

_STATUS: Final = {Fit.RUNS: 0, Fit.MOSTLY: 0, Fit.CANNOT: 1, Fit.UNKNOWN: 3}
_COLOUR: Final = {Fit.RUNS: "green", Fit.MOSTLY: "green", Fit.CANNOT: "red", Fit.UNKNOWN: "yellow"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--march", action="append", default=[], metavar="NAME", help="does -march=NAME run here? May be repeated"
    )
    parser.add_argument("--flags", metavar="CFLAGS", help="do these flags of another host run here?")
    parser.add_argument(
        "--of", type=Path, metavar="FILE", help="does what is in this package, or of this builder.json, run here?"
    )
    parser.add_argument("--chost", default="", metavar="TUPLE", help="ask the compiler of this CHOST (default: gcc)")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, 1 when something that was asked about does not run here, 3 when nobody can tell."""
    asked = [(f"-march={name}",) for name in options.march]
    if options.flags is not None:
        asked.append(tuple(options.flags.split()))
    judged = [(" ".join(flags), cpu.judge(flags, options.chost)) for flags in asked]
    if options.of is not None:
        judged.append((str(options.of), _of_file(options.of)))
    if options.json:
        objects.show(_as_json(judged, options.chost))
    elif judged:
        _answers(judged)
    else:
        _described(options.chost)
    return max((_STATUS[judgement.fit] for _, judgement in judged), default=0, key=lambda status: (status == 1, status))


def _of_file(path: Path) -> Judgement:
    if path.name.endswith(PACKAGE_SUFFIXES):
        values = describe(path).values
        return cpu.judge(values.get("CFLAGS", "").split(), values.get("CHOST", ""))
    return cpu.judge_builder(builder.read(path))


def _answers(judged: list[tuple[str, Judgement]]) -> None:
    screen = Screen()
    width = max(len(flags) for flags, _ in judged)
    for flags, judgement in judged:
        screen.text(
            _told(flags, judgement), first=f"{flags:<{width}}  ", indent=" " * (width + 2), colour=_COLOUR[judgement.fit]
        )


def _told(flags: str, judgement: Judgement) -> str:
    """The verdict, and why there is none."""
    if judgement.fit is not Fit.UNKNOWN:
        return str(judgement)
    if is_native(flags.split()):
        return f"{judgement}: it means the CPU of the host that builds; ask there"
    if not cpu.here().is_x86_64:
        return f"{judgement}: only x86-64 is judged, and this is {cpu.here().machine}"
    return f"{judgement}: no compiler on this host knows that CPU"


def _described(chost: str) -> None:
    here, native, screen = cpu.here(), cpu.native(chost), Screen()
    screen.table(
        [
            ("CPU", f"{here.name or 'unknown'} ({here.machine})"),
            ("level", f"x86-64-v{here.level}" if here.level else "not an x86-64 CPU: levels are not known for it"),
            ("-march=native", " ".join(native.flags) or "not known"),
            ("said by", native.source),
            ("CPU_FLAGS_X86", " ".join(here.use_flags) or "none"),
        ],
        ("bold",),
    )


def _as_json(judged: list[tuple[str, Judgement]], chost: str) -> dict[str, object]:
    here, native = cpu.here(), cpu.native(chost)
    return {
        "machine": here.machine,
        "name": here.name,
        "level": here.level,
        "native": list(native.flags),
        "native_every": list(native.every),
        "source": native.source,
        "cpu_flags_x86": list(here.use_flags),
        "asked": [{"flags": flags, "fit": one.fit.name.lower(), "lacking": list(one.lacking)} for flags, one in judged],
    }
