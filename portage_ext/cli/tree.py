"""What the commands that make or show releases share: their options, and how a result is told."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.errors.releases import Finding, GateError, folded
from portage_ext.tasks.releasing.overrides import Overrides
from portage_ext.words import counted, size

# What the commands are not asked about first is imported while gpg runs (below).
if TYPE_CHECKING:
    from portage_ext.model import IndexEntry
    from portage_ext.releases.contents import Difference
    from portage_ext.releases.made import Published
    from portage_ext.releases.note import Waiting
    from portage_ext.tasks.releasing.publishing import Outcome
    from portage_ext.tasks.signing import Found
    from portage_ext.tasks.site import Site


def publisher_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the commands that make a release."""
    places.tree(parser)
    places.key(parser)
    parser.add_argument("--gates", metavar="LIST", help="gates, comma separated, or none (default: gates of the channel)")


def at_once(parser: argparse.ArgumentParser) -> None:
    """The option of the commands that may publish the toolchain first."""
    parser.add_argument("--all-at-once", action="store_true", help="also publish the packages that wait for a toolchain")


def overrides(options: argparse.Namespace) -> Overrides:
    """What the options of :func:`publisher_arguments` choose."""
    gates = None if options.gates is None else tuple(one for one in options.gates.split(",") if one and one != "none")
    return Overrides(
        options.tree, options.repository, options.key, options.homedir, gates, getattr(options, "all_at_once", False)
    )


def signer(site: Site, overrides: Overrides) -> AbstractContextManager[Found]:
    """The signer that ``overrides`` choose, looked up while the block goes on, which imports the rest of the program."""
    from portage_ext.beside import beside
    from portage_ext.tasks.signing import signer as looked_up

    return beside(partial(looked_up, site, key=overrides.key, homedir=overrides.homedir))


def objections(error: GateError, *, as_json: bool) -> int:
    """Tell why a release did not pass; the exit status for it."""
    if as_json:
        findings = _values(error.findings)
        where = {"staging": error.staging, "live": error.live}
        objects.show({"channel": error.channel, "published": False, **where, "findings": findings})
    else:
        for line in error.lines:
            print(shown.line(line), file=sys.stderr)
        print(f"portage-ext: {error}", file=sys.stderr)
    return 1


def _values(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [{"gate": one.gate, "where": one.where, "what": one.what} for one in findings]


def warn(text: str) -> None:
    """Tell what did not stop a release."""
    print(f"portage-ext: {shown.line(text)}", file=sys.stderr)


def told(outcome: Outcome, seconds: float, *, as_json: bool) -> None:
    """Tell what a run did."""
    channel, done, pruned = outcome.channel, outcome.published, list(outcome.pruned)
    change = done.difference
    if as_json:
        from dataclasses import asdict

        counts = {"added": len(change.added), "removed": len(change.removed), "rebuilt": len(change.rebuilt)}
        made = {"channel": channel, "published": done.release is not None, "release": done.number, "packages": done.packages}
        held = None if done.held is None else asdict(done.held)
        more = {"beside": done.beside, "held": held, "warnings": _values(done.warnings), "waiting": waiting(done.waiting)}
        more |= {"deltas": None if done.deltas is None else asdict(done.deltas)}
        objects.show({**made, **counts, **more, "carried": done.carried, "pruned": pruned, "seconds": round(seconds, 3)})
        return
    for line in folded(done.warnings):
        print(shown.line(line), file=sys.stderr)
    if done.held is not None:
        from portage_ext.releases.note import UNTIL

        print(f"{channel} is {done.held}, {UNTIL}")
    if done.release is None:
        print(f"{channel}: no difference to release {done.number}; nothing was published")
    else:
        placed = done.placed
        how = [f"{count} {word}" for count, word in ((placed.cloned, "cloned"), (placed.copied, "copied")) if count]
        detail = f" ({', '.join(how)})" if how else ""
        print(f"{channel}: release {done.number}, {counted(done.packages)}{detail}: {news(done)}; {seconds:.2f} s")
    if done.deltas is not None:
        print(f"{channel}: {done.deltas}")
    if done.waiting is not None:
        print(shown.line(f"{channel}: {done.waiting.text(time.time())}"))
    if pruned:
        print(f"pruned: {', '.join(map(str, pruned))}")


def waiting(found: Waiting | None) -> dict[str, object] | None:
    """The packages that wait, for ``--json``."""
    if found is None:
        return None
    return {"packages": list(found.packages), "toolchain": list(found.toolchain), "until": found.until}


def news(done: Published) -> str:
    """What a release brings: packages, and what else differs."""
    change = done.difference
    other = [one.other_metadata() for one in change.rebuilt]
    same_file = [keys for keys in other if keys]
    counts = f"{len(change.added)} added, {len(change.removed)} removed, {len(other) - len(same_file)} rebuilt"
    if same_file:
        counts += f", {len(same_file)} with other metadata ({', '.join(sorted({key for keys in same_file for key in keys}))})"
    if not done.beside:
        return counts
    return f"{counts if change else 'no package differs'}; new: {', '.join(done.beside)}"


def lines(change: Difference) -> Iterator[str]:
    """A difference as a person reads it, one line a package."""
    from portage_ext.releases.gates import described

    for entry in change.added:
        yield f"+ {described(entry)}{_slot(entry)}  {_size(entry)}"
    for entry in change.removed:
        yield f"- {described(entry)}{_slot(entry)}  {_size(entry)}"
    for one in change.rebuilt:
        keys = [f"{key} {_shown(key, *values)}" for key, values in one.keys().items()]
        yield f"* {described(one.after)}{_slot(one.after)}  {', '.join(keys or one.other_metadata()) or 'other bytes'}"


def _slot(entry: IndexEntry) -> str:
    return f":{entry.slot}" if entry.slot != "0" else ""


def _size(entry: IndexEntry) -> str:
    return size(entry.size)


def _shown(key: str, before: str, after: str) -> str:
    if key in ("USE", "RDEPEND"):
        old, new = set(before.split()), set(after.split())
        return " ".join([f"+{word}" for word in sorted(new - old)] + [f"-{word}" for word in sorted(old - new)]) or "reordered"
    if key == "SIZE" and before.isdigit() and after.isdigit():
        return f"{int(after) - int(before):+d} bytes"
    return f"{before or '(none)'} -> {after or '(none)'}"
