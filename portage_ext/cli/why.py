"""portage-ext why: for each package that emerge would take the binaries there are, what keeps each away, and what to do."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from portage_ext.cli.main import EXIT_OK
from portage_ext.errors import UsageError
from portage_ext.host.why import Explained, Explanation, explain
from portage_ext.policy.verdict import BINHOST, HERE, Reason, Verdict, day
from portage_ext.policy.winning import Win, best_change, top_reasons

EXIT_COMPILED: Final = 3
_UPDATE: Final = ("--update", "--deep", "--newuse")
_WIDTH: Final = 80
_MANY: Final = 12
"""Packages from which on only a summary and the closest candidate of each is told."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="+", metavar="ATOM|@SET", help="what emerge would be asked for; options of emerge follow after --"
    )
    parser.add_argument("--all", action="store_true", help="tell every candidate, also of packages that come as binaries")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 3 when a package is compiled although there is a binary of it."""
    words = list(options.what)
    names = [word for word in words if not word.startswith("-")]
    if not names:
        raise UsageError("no atom and no set was named")
    if any(name.startswith("@") for name in names):
        words = [*_UPDATE, *words]
    explanation = explain(words)
    for line in explanation.remarks:
        print(line, file=sys.stderr)
    win = best_change((one.best, one.seconds) for one in _compiled(explanation) if one.best)
    if options.json:
        print(json.dumps(_as_json(explanation, win), ensure_ascii=True))
    else:
        _Report(everything=options.all).show(explanation, win)
    return EXIT_COMPILED if any(one.verdicts for one in _compiled(explanation)) else EXIT_OK


def _compiled(explanation: Explanation) -> list[Explained]:
    return [one for one in explanation.packages if not one.taken]


def _as_json(explanation: Explanation, win: Win | None) -> dict[str, Any]:
    compiled = _compiled(explanation)
    change = None
    if win is not None:
        change = {**dataclasses.asdict(win.change), "packages": list(win.packages), "seconds": win.seconds}
    return {
        "format": 1,
        "binrepos": [dataclasses.asdict(trouble) for trouble in explanation.troubles],
        "packages": [_package_json(one) for one in explanation.packages],
        "summary": {
            "packages": len(explanation.packages),
            "binaries": len(explanation.packages) - len(compiled),
            "without_candidate": sum(not one.verdicts for one in compiled),
            "reasons": dict(top_reasons(one.best for one in compiled if one.best)),
            "change": change,
        },
    }


def _package_json(one: Explained) -> dict[str, Any]:
    candidates = []
    for verdict in one.verdicts:
        reasons = [dataclasses.asdict(reason) for reason in verdict.reasons]
        taken = one.taken and not reasons
        candidates.append({**dataclasses.asdict(verdict.offer), "taken": taken, "fixable": verdict.fixable, "reasons": reasons})
    wanted = one.wanted
    return {
        "cpv": wanted.cpv,
        "slot": wanted.slot,
        "repository": wanted.repository,
        "taken": wanted.kind,
        "build_seconds": one.seconds,
        "candidates": candidates,
    }


class _Report:
    """Text for people: a table within 80 columns, and below it what can be copied, never wrapped."""

    def __init__(self, *, everything: bool) -> None:
        terminal = sys.stdout.isatty()
        self._console = Console(width=None if terminal else _WIDTH, highlight=False, soft_wrap=False)
        self._everything = everything
        self._told: tuple[Reason, ...] = ()

    def show(self, explanation: Explanation, win: Win | None) -> None:
        self._told = explanation.troubles
        for trouble in explanation.troubles:
            self._line(Text(trouble.text, style="red"))
            self._details((trouble,))
            self._line(Text(""))
        shown = [one for one in explanation.packages if self._everything or not one.taken]
        for one in shown:
            self._package(one, brief=len(shown) > _MANY and not self._everything)
        self._summary(explanation, win)

    def _package(self, one: Explained, *, brief: bool) -> None:
        how = "comes as a binary" if one.taken else "is compiled"
        time = f", {_duration(one.seconds)} the last times" if one.seconds is not None and not one.taken else ""
        self._line(Text.assemble((one.wanted.cpv, "bold"), f":{one.wanted.slot} {how}{time}"))
        if not one.verdicts:
            self._line(Text("  no binhost and no PKGDIR has a binary of it\n"))
            return
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
        for heading in ("binary", "from", "built", "verdict"):
            table.add_column(heading, overflow="fold", no_wrap=heading == "built")
        for verdict in one.verdicts[:1] if brief else one.verdicts:
            offer = verdict.offer
            build = f"-{offer.build_id}" if offer.build_id else ""
            table.add_row(f"{offer.version}{build}", offer.source, day(offer.built), self._verdict(verdict, one.taken))
        self._console.print(table)
        if one.best is not None and not one.taken:
            self._details([reason for reason in one.best.reasons if reason not in self._told])
        self._line(Text(""))

    @staticmethod
    def _verdict(verdict: Verdict, taken: bool) -> Text:
        if not verdict.reasons:
            return Text("taken" if taken else "nothing against it", style="green")
        lines = [Text(reason.text, style="yellow" if reason.remedies else "red") for reason in verdict.reasons]
        return Text("\n").join(lines)

    def _details(self, reasons: Sequence[Reason]) -> None:
        for reason in reasons:
            for detail in reason.details:
                told = textwrap.fill(
                    detail,
                    self._console.width,
                    initial_indent="  ",
                    subsequent_indent="    ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
                self._line(Text(told, style="dim"))
        steps = dict.fromkeys(step for reason in reasons for step in reason.remedies)
        for instead, or_else in ((False, ""), (True, "Or ")):
            for where, place in ((HERE, "here"), (BINHOST, "on the binhost")):
                chosen = [step for step in steps if (step.where, step.instead) == (where, instead)]
                if chosen:
                    self._line(Text(f"{or_else or 'To take it, '}{place}:"))
                for step in chosen:
                    self._line(Text(f"  {step.command}", style="bold"))

    def _line(self, text: Text) -> None:
        # Never wrapped or cut: what can be copied stays one line.
        self._console.print(text, no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)

    def _summary(self, explanation: Explanation, win: Win | None) -> None:
        compiled = _compiled(explanation)
        total = len(explanation.packages)
        if total < 2 and win is None:
            return
        without = sum(not one.verdicts for one in compiled)
        self._line(
            Text(f"{total} packages: {total - len(compiled)} come as binaries, {len(compiled)} are compiled", style="bold")
        )
        if without:
            self._line(Text(f"  {without} of them have no binary anywhere"))
        for kind, count in top_reasons(one.best for one in compiled if one.best):
            self._line(Text(f"  {count:4d}  {kind}"))
        if win is not None:
            saved = f", {_duration(win.seconds)} of compiling" if win.seconds else ""
            self._line(Text(f"One change would win most ({len(win.packages)} packages{saved}): {win.change.key}"))
            self._line(Text(f"  {win.change.command}"))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
