"""portage-ext why: for each package that emerge would take the binaries there are, what keeps each away, and what to do."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from portage_ext import shown
from portage_ext.cli import objects
from portage_ext.cli.main import EXIT_FAILED, EXIT_OK
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.explain.fetched.troubles import CONFIGURATION
from portage_ext.explain.kinds import stops, word
from portage_ext.explain.verdict import BINHOST, HERE, Reason, Verdict, day
from portage_ext.explain.why import Explained, Explanation, explain
from portage_ext.explain.winning import Win, best_change, top_reasons

EXIT_COMPILED: Final = 3
_UPDATE: Final = ("--update", "--deep", "--newuse")
_MANY: Final = 12
"""Compiled packages from which on only the closest candidate of each is told."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="+", metavar="ATOM|@SET", help="what emerge would be asked for; options of emerge follow after --"
    )
    parser.add_argument("--all", action="store_true", help="tell every candidate, also of packages that come as binaries")
    parser.add_argument(
        "--fetch", action="store_true", help="fetch the closest binary of each package on trial; tell what would stop emerge"
    )
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 3 when a package is compiled although there is a binary of it, or might be; 1 without a list."""
    words = list(options.what)
    names = [word for word in words if not word.startswith("-")]
    if not names:
        raise UsageError("no atom and no set was named")
    if any(name.startswith("@") for name in names):
        words = [*_UPDATE, *words]
    explanation = explain(words, fetch=options.fetch)
    for line in (*explanation.said, *explanation.remarks) if not explanation.failed else explanation.remarks:
        print(shown.line(line), file=sys.stderr)
    if explanation.failed:
        print(f"emerge could not resolve the request:\n{shown.text(explanation.failed)}", file=sys.stderr)
    win = best_change((one.best, one.seconds) for one in _compiled(explanation) if one.best)
    if options.json:
        objects.show(_as_json(explanation, win))
    else:
        _Report(everything=options.all).show(explanation, win)
    if explanation.failed:
        return EXIT_FAILED
    compiled = _compiled(explanation)
    return EXIT_COMPILED if any(one.verdicts for one in compiled) or (compiled and explanation.unknown) else EXIT_OK


def _compiled(explanation: Explanation) -> list[Explained]:
    return [one for one in explanation.packages if not one.comes]


def _as_json(explanation: Explanation, win: Win | None) -> dict[str, Any]:
    compiled = _compiled(explanation)
    change = None
    if win is not None:
        change = {**dataclasses.asdict(win.change), "packages": list(win.packages), "seconds": win.seconds}
    return {
        "binrepos": [dataclasses.asdict(trouble) for trouble in explanation.troubles],
        "unknown": list(explanation.unknown),
        "said": list(explanation.failed.split("\n") if explanation.failed else explanation.said),
        "resolved": not explanation.failed,
        "packages": [_package_json(one) for one in explanation.packages],
        "summary": {
            "packages": len(explanation.packages),
            "binaries": len(explanation.packages) - len(compiled),
            "without_candidate": 0 if explanation.unknown else sum(not one.verdicts for one in compiled),
            "unknown": sum(not one.verdicts for one in compiled) if explanation.unknown else 0,
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
        "masks": [dataclasses.asdict(reason) for reason in one.masks],
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
            self._package(one, explanation, brief=brief)
        self._summary(explanation, win)

    def _package(self, one: Explained, explanation: Explanation, *, brief: bool) -> None:
        time = (
            f" (about {_duration(one.seconds)}, median of recent builds)" if one.seconds is not None and not one.taken else ""
        )
        self._screen.line(f"{self._screen.paint(one.wanted.cpv, 'bold')}:{one.wanted.slot} {_fate(one)}{time}")
        for mask in one.masks:
            self._screen.text(f"the ebuild is {mask.text}", first="  ", indent="    ")
        if one.verdicts:
            rows = [("binary", "from", "built", "verdict")]
            for verdict in one.verdicts[:1] if brief else one.verdicts:
                rows += self._rows(verdict, one.taken)
            self._screen.table(rows, ("blue",), indent="  ")
        else:
            self._screen.text(_without_binary(explanation), first="  ", indent="    ")
        reasons = one.best.reasons if one.best is not None else ()
        self._details([reason for reason in (*one.masks, *reasons) if reason not in self._told])
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
        steps = list(dict.fromkeys(step for reason in reasons for step in reason.remedies))
        first = [step for step in steps if not step.instead and not step.look]
        second = [step for step in steps if step.instead and not step.look]
        look = [step for step in steps if step.look]
        for words, chosen in (("Look", look), ("Fix", first or second), ("Or", second if first else [])):
            for where, place in ((HERE, "on this host"), (BINHOST, "on the binhost")):
                commands = [step.command for step in chosen if step.where == where]
                if commands:
                    self._screen.line(f"  {words}, {place}:")
                for command in commands:
                    self._screen.line(f"    {command}", "green")

    def _summary(self, explanation: Explanation, win: Win | None) -> None:
        compiled = _compiled(explanation)
        total = len(explanation.packages)
        if total < 2 and win is None:
            return
        stopping = sum(map(_stops, compiled))
        stopped = f", {stopping} at which emerge stops" if stopping else ""
        waiting = sum(one.waits for one in compiled)
        waits = f", {waiting} not compiled because of BINPKG_ONLY" if waiting else ""
        left = "not resolved" if explanation.failed else "compiled"
        self._screen.line(
            f"{_packages(total)}: {total - len(compiled)} as binaries, "
            f"{len(compiled) - stopping - waiting} {left}{stopped}{waits}",
            "bold",
        )
        without = sum(not one.verdicts for one in compiled)
        rows = [(f"{count:6d}", word(kind)) for kind, count in top_reasons(_closest(compiled))]
        if without:
            rows.append(
                (f"{without:6d}", "unknown: a binhost could not be asked" if explanation.unknown else "no binary anywhere")
            )
        self._screen.table(rows)
        if win is not None:
            saved = f", {_duration(win.seconds)} of compiling" if win.seconds else ""
            self._screen.line(f"The most effective single change ({_packages(len(win.packages))}{saved}): {win.change.key}")
            self._screen.line(f"  {win.change.command}", "green")


def _fate(one: Explained) -> str:
    if one.comes:
        return "comes as a binary"
    if one.wanted.kind == "nothing":
        return "cannot be merged"
    if one.waits:
        return "waits for a binary"
    return "stops emerge" if _stops(one) else "is refused" if one.taken else "will be compiled"


def _without_binary(explanation: Explanation) -> str:
    """What is known where there is no candidate. A binhost that could not be asked may have one."""
    if explanation.unknown:
        names = [f"[{name}]" for name in explanation.unknown if name != CONFIGURATION]
        return f"unknown whether {' or '.join(names) or 'a binhost'} has a binary of it (see above)"
    if not explanation.asked:
        return "no binhost is configured, and PKGDIR has no binary of it"
    return "no binhost and no PKGDIR has a binary of it"


def _stops(one: Explained) -> bool:
    """Whether emerge takes the binary, and then does not get it: it stops, and does not compile instead."""
    return one.taken and one.best is not None and any(stops(reason.kind) for reason in one.best.reasons)


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
