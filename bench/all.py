"""Every want of speed beside its peers, interleaved in one run: prints the table, writes it into a document, fails on a miss.

    python -m bench.all [WORK] [--quick] [--rounds 1] [--continue] [--only reindex,change,…] [--document docs/figures.md]
                        [--counts 10000,30000] [--signed 10000,30000] [--releases 30000] [--many 100000] [--runs 3] …

WORK keeps generated packages (about 14 GB). Every figure is a median of whole processes with the least and the greatest beside
it; wall time and CPU time come from the kernel. A slow peer runs less often than ours: the table says how often. Run it on a
machine that does nothing else. With ``--rounds`` all is measured as often, and a row shows the figure of each round.

WORK/measured.json keeps what was measured, part by part. A run that is ended shows what it has, and ``--continue`` goes on
where it ended, if neither the code nor the sizes changed.

A document is written when all parts were measured. The exit status is 1 when a want is missed; one that could not be measured
is missed, too. ``--quick`` shows within minutes that everything works: few packages, one run. Its figures mean nothing, so the
document stays as it is, and the exit status is 1 only when a row could not be measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

from bench import measure, reindex, wanted
from bench.kept import Kept
from bench.rows import indexing, large, publishing, trusted
from bench.rows.sizes import QUICK, Bench, Sizes
from bench.wanted import Want

Part = Callable[[Bench], Iterator[Want]]
PARTS: Final[dict[str, Part]] = {
    "reindex": indexing.full,
    "change": indexing.change,
    "peers": indexing.peers,
    "signing": trusted.signing,
    "fetch": trusted.fetching,
    "after": publishing.upkeep,
    "releases": publishing.published,
    "whitelist": large.listed,
    "memory": large.memory,
    "plan": large.plan,
}


def measured(bench: Bench, parts: Mapping[str, Part]) -> list[Want]:
    """The rows of ``parts``. One that fails does not end the others: its remaining wants count as missed."""
    wants: list[Want] = []
    for name, part in parts.items():
        started = time.monotonic()
        try:
            for want in part(bench):
                lacking = f"{want.what}: not measured: {want.beside}"
                line = lacking if want.figure is None else "  ".join(wanted.rows([[want]])[0]).rstrip()
                print(line, file=sys.stderr, flush=True)
                wants.append(want)
        except (RuntimeError, OSError, subprocess.SubprocessError, AssertionError) as error:
            reason = " ".join(str(error).split())
            print(f"{name}: failed: {reason}", file=sys.stderr, flush=True)
            wants.append(Want(f"the other rows of {name}", "", f"failed: {reason[:200]}", None, 0))
        print(f"{name} took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return wants


def conditions(runs: int, rounds: int) -> list[str]:
    """When, where and on what it is measured, as lines of a document."""
    load = os.getloadavg()[0]
    times = "one round" if rounds == 1 else f"{rounds} rounds: a row has the figure of each, and the times of the middle one"
    return [
        f"Measured on {time.strftime('%Y-%m-%d')}: {os.cpu_count()} processors, load {load:.1f} at the start, Python "
        f"{platform.python_version()}, Portage {reindex.FULL} (one change: {reindex.INCREMENTAL}), {times}.",
        f"Cells have wall and CPU time of whole processes, all of a row in turn: medians of {runs}, or of as many runs as they",
        "say, and in brackets the least and the greatest. A peer that takes minutes runs less often. One marked ~ was not run:",
        "its time is scaled from fewer packages. “X by ours” is X's wall time divided by ours. Rows without a want compare.",
    ]


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, nargs="?", default=Path(".sandbox-bench"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--continue", action="store_true", dest="goes_on")
    parser.add_argument("--only", default=",".join(PARTS), metavar=",".join(PARTS))
    parser.add_argument("--document", type=Path)
    for field in fields(Sizes):
        parser.add_argument(f"--{field.name}", type=_numbers if isinstance(field.default, tuple) else type(field.default))
    options = parser.parse_args(words)
    unknown = [name for name in options.only.split(",") if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return options


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def sizes(options: argparse.Namespace) -> Sizes:
    """The usual or the quick sizes, with what was given instead."""
    given = {field.name: value for field in fields(Sizes) if (value := getattr(options, field.name)) is not None}
    return replace(QUICK if options.quick else Sizes(), **given)


def _all(bench: Bench, parts: Mapping[str, Part], rounds: int, kept: Kept) -> bool:
    """Measure what ``kept`` does not have. False if it was ended by Ctrl-C or SIGTERM."""
    try:
        for number in range(rounds):
            for name, part in parts.items():
                if not kept.has(number, name):
                    kept.put(number, name, measured(bench, {name: part}))
    except KeyboardInterrupt:
        return False
    return True


def main() -> int:
    options = arguments()
    work = Path(os.path.abspath(options.work))
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o755)
    bench = Bench(work, sizes(options))
    about = conditions(bench.sizes.runs, options.rounds)
    parts = {name: PARTS[name] for name in options.only.split(",")}
    file = work / "measured.json"
    try:
        kept = Kept.opened(file, bench.sizes) if options.goes_on else Kept.begun(file, bench.sizes, about)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.goes_on:
        about = [*kept.about[:1], f"Continued: {about[0][:1].lower()}{about[0][1:]}", *kept.about[1:]]
    whole = _all(bench, parts, options.rounds, kept)
    rounds = kept.rounds(parts, options.rounds)
    print("\n".join(about) + "\n\n" + measure.table([wanted.HEADING, *wanted.rows(rounds)]))
    if not whole:
        print("\nended before all was measured; with --continue it goes on")
        return 1
    if options.quick:
        lacking = wanted.unmeasured(rounds)
        print(f"\nquick: {len(lacking)} rows were not measured; the figures mean nothing")
        return 1 if lacking else 0
    if options.document and parts.keys() == PARTS.keys():
        wanted.put(options.document, wanted.document(rounds, about))
    elif options.document:
        print(f"\n{options.document} is not written: not all rows were measured")
    missed = wanted.missed(rounds)
    print(f"\n{len(missed)} wants missed" + "".join(f"\n  {what}" for what in missed))
    return 1 if missed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
