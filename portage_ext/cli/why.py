"""portage-ext why: for each package that emerge would take the binaries there are, what keeps each away, and what to do."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from portage_ext import shown
from portage_ext.cli import places
from portage_ext.cli.main import EXIT_OK
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.explain.arrival import ARRIVAL
from portage_ext.explain.verdict import BINHOST, HERE, Reason, Verdict, day
from portage_ext.explain.why import Explained, Explanation, explain
from portage_ext.explain.winning import Win, best_change, top_reasons

EXIT_COMPILED: Final = 3
_UPDATE: Final = ("--update", "--deep", "--newuse")
_MANY: Final = 12
"""Compiled packages from which on only the closest candidate of each is told."""
_WORDS: Final = {
    "binhost": "allowed from another binhost only (GETBINPKG_FROM)",
    "bindings": "slot or sub-slot does not fit",
    "chost": "CHOST",
    "dependencies": "dependencies changed",
    "excluded": "include and exclude options",
    "fetch": "cannot be fetched",
    "iuse": "IUSE differs",
    "iuse-implicit": "IUSE names other implicit flags",
    "keywords": "keywords",
    "license": "licence",
    "mask": "masked",
    "no-ebuild": "no ebuild of its version",
    "off": "switched off in package.env",
    "profile": "another profile on the binhost",
    "unindexed": "not in the index of PKGDIR",
    "unlisted": "not whitelisted",
    "unreachable": "index cannot be had",
    "refused": "index refused",
    "signature": "signature missing or not valid",
    "symbols": "symbol versions are missing here",
    "use": "USE differs",
    "use-expand": "USE_EXPAND group differs",
    "version": "the tree is ahead of the binhost",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="+", metavar="ATOM|@SET", help="what emerge would be asked for; options of emerge follow after --"
    )
    parser.add_argument("--all", action="store_true", help="tell every candidate, also of packages that come as binaries")
    parser.add_argument(
        "--fetch", action="store_true", help="fetch the closest binary of each package on trial; tell what would stop emerge"
    )
    places.json(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 3 when a package is compiled although there is a binary of it."""
    words = list(options.what)
    names = [word for word in words if not word.startswith("-")]
    if not names:
        raise UsageError("no atom and no set was named")
    if any(name.startswith("@") for name in names):
        words = [*_UPDATE, *words]
    explanation = explain(words, fetch=options.fetch)
    for line in explanation.remarks:
        print(shown.line(line), file=sys.stderr)
    win = best_change((one.best, one.seconds) for one in _compiled(explanation) if one.best)
    if options.json:
        print(json.dumps(_as_json(explanation, win), ensure_ascii=True))
    else:
        _Report(everything=options.all).show(explanation, win)
    return EXIT_COMPILED if any(one.verdicts for one in _compiled(explanation)) else EXIT_OK


def _compiled(explanation: Explanation) -> list[Explained]:
    return [one for one in explanation.packages if not one.comes]


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
            "reasons": dict(top_reasons(_closest(compiled))),
            "change": change,
        },
    }


def _package_json(one: Explained) -> dict[str, Any]:
    candidates = []
    for verdict in one.verdicts:
        reasons = [dataclasses.asdict(reason) for reason in verdict.reasons]
        taken = one.comes and not any(reason.blocks for reason in verdict.reasons)
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
    """Text for people: tables within 80 columns, and below them what can be copied, never wrapped."""

    def __init__(self, *, everything: bool) -> None:
        self._screen = Screen()
        self._everything = everything
        self._told: tuple[Reason, ...] = ()

    def show(self, explanation: Explanation, win: Win | None) -> None:
        self._told = explanation.troubles
        for trouble in explanation.troubles:
            self._screen.line(trouble.text, "red")
            self._details((trouble,))
            self._screen.line()
        shown = [one for one in explanation.packages if self._everything or not one.comes or (one.best and one.best.reasons)]
        brief = len(shown) > _MANY and not self._everything
        for one in shown:
            self._package(one, brief=brief)
        self._summary(explanation, win)

    def _package(self, one: Explained, *, brief: bool) -> None:
        how = (
            "comes as a binary"
            if one.comes
            else "stops emerge"
            if _stops(one)
            else "is refused"
            if one.taken
            else "is compiled"
        )
        time = f", {_duration(one.seconds)} the last times" if one.seconds is not None and not one.taken else ""
        self._screen.line(f"{self._screen.paint(one.wanted.cpv, 'bold')}:{one.wanted.slot} {how}{time}")
        if one.verdicts:
            rows = [("binary", "from", "built", "verdict")]
            for verdict in one.verdicts[:1] if brief else one.verdicts:
                rows += self._rows(verdict, one.taken)
            self._screen.table(rows, ("blue",), indent="  ")
        else:
            self._screen.line("  no binhost and no PKGDIR has a binary of it")
        if one.best is not None:
            self._details([reason for reason in one.best.reasons if reason not in self._told])
        self._screen.line()

    @staticmethod
    def _rows(verdict: Verdict, taken: bool) -> Iterator[tuple[str, str, str, str]]:
        """One line a reason; the candidate stands before the first."""
        offer = verdict.offer
        build = f"-{offer.build_id}" if offer.build_id else ""
        texts = [reason.text for reason in verdict.reasons]
        if not any(reason.blocks for reason in verdict.reasons):
            texts.insert(0, "taken" if taken else "nothing against it")
        yield f"{offer.version}{build}", offer.source, day(offer.built), texts[0]
        for text in texts[1:]:
            yield "", "", "", text

    def _details(self, reasons: Sequence[Reason]) -> None:
        for reason in reasons:
            for detail in reason.details:
                self._screen.text(detail, first="    ", indent="      ", colour="dim")
        steps = dict.fromkeys(step for reason in reasons for step in reason.remedies)
        for instead, words in ((False, "To take it, "), (True, "Or ")):
            for where, place in ((HERE, "here"), (BINHOST, "on the binhost")):
                chosen = [step for step in steps if (step.where, step.instead) == (where, instead)]
                if chosen:
                    self._screen.line(f"  {words}{place}:")
                for step in chosen:
                    self._screen.line(f"    {step.command}", "green")

    def _summary(self, explanation: Explanation, win: Win | None) -> None:
        compiled = _compiled(explanation)
        total = len(explanation.packages)
        if total < 2 and win is None:
            return
        stopping = sum(map(_stops, compiled))
        stops = f", {stopping} at which emerge stops" if stopping else ""
        self._screen.line(
            f"{_packages(total)}: {total - len(compiled)} as binaries, {len(compiled) - stopping} compiled{stops}", "bold"
        )
        without = sum(not one.verdicts for one in compiled)
        rows = [(f"{count:6d}", _WORDS.get(kind, kind)) for kind, count in top_reasons(_closest(compiled))]
        if without:
            rows.append((f"{without:6d}", "no binary anywhere"))
        self._screen.table(rows)
        if win is not None:
            saved = f", {_duration(win.seconds)} of compiling" if win.seconds else ""
            self._screen.line(f"One change would win most ({_packages(len(win.packages))}{saved}): {win.change.key}")
            self._screen.line(f"  {win.change.command}", "green")


def _stops(one: Explained) -> bool:
    """Whether emerge takes the binary, and then does not get it: it stops, and does not compile instead."""
    return one.taken and one.best is not None and any(reason.kind in ARRIVAL for reason in one.best.reasons)


def _closest(packages: Iterable[Explained]) -> Iterator[Verdict]:
    return (one.best for one in packages if one.best is not None)


def _packages(count: int) -> str:
    return f"{count} package{'' if count == 1 else 's'}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
