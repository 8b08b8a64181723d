"""portage-ext compare: this host's configuration beside that of a binhost, as the binhost's release states it."""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from portage_ext import limits, shown
from portage_ext.cli.screen import Screen
from portage_ext.config import settings as configuration
from portage_ext.errors import NoBuilderError, UsageError
from portage_ext.fetch import builder as fetching
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.builder import Described
from portage_ext.fetch.mirrors import Transports
from portage_ext.host import cpu as asking
from portage_ext.host.builder import assigned, behind
from portage_ext.host.builder import builder as own_builder
from portage_ext.host.here import Here, binrepos, here
from portage_ext.host.licences import groups
from portage_ext.index.text import parse_index
from portage_ext.model import builder
from portage_ext.model.release import PLAIN_FORM
from portage_ext.policy.compare import Finding, Grade, Known, compare
from portage_ext.trust.memory import StateDirectory, checked_name

_VARIABLES: Final = ("ACCEPT_KEYWORDS", "ACCEPT_LICENSE", "CHOST", "USE")
_COLOUR: Final = {Grade.UNUSABLE: "red", Grade.TRAP: "yellow", Grade.DIFFERENT: "blue"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        metavar="BINREPO|URL|DIR|FILE",
        nargs="?",
        help="a section of binrepos.conf or its sync-uri, a release or channel of a tree, a builder.json (-: standard input)",
    )
    parser.add_argument("--print", action="store_true", dest="own", help="print this host's own builder.json, for another host")
    parser.add_argument("--unverified", action="store_true", help="take what lies at a URL, whoever put it there")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 nothing keeps binaries away, 1 something makes them unusable or is a trap."""
    if options.own:
        sys.stdout.write(own_builder().emit().decode())
        return 0
    if options.what is None:
        raise UsageError("name what to compare with: a binrepo, its URL, a directory or a file; or use --print")
    here()  # a configuration that Portage cannot read is said before anything else
    described = _described(options.what, unverified=options.unverified)
    theirs = described.builder
    ours = own_builder()
    known = _known(ours, described)
    found = compare(ours, theirs, known)
    if options.json:
        _print_json(options.what, described, found, known)
    else:
        _print(options.what, described, found)
    return int(any(one.grade is not Grade.DIFFERENT for one in found))


def _described(what: str, *, unverified: bool) -> Described:
    path = Path(what)
    if what == "-":
        return Described(builder.parse(sys.stdin.buffer.read(limits.BUILDER_SIZE + 1), "standard input"), None, verified=False)
    if path.is_dir():
        return _directory(path)
    if path.is_file():
        return Described(builder.read(path), None, verified=False)
    return _remote(what, unverified=unverified)


def _directory(path: Path) -> Described:
    """A release or channel of a tree on this machine: what its own index binds."""
    if not (path / builder.NAME).is_file():
        raise NoBuilderError(str(path))
    index = path / PLAIN_FORM
    text = index.read_bytes() if index.is_file() else None
    return Described(builder.read(path / builder.NAME), text, verified=False)


def _remote(what: str, *, unverified: bool) -> Described:
    host, known = here(), binrepos()
    address = what.rstrip("/")
    found = next((one for one in known if one.name == what or one.sync_uri.rstrip("/") == address), None)
    if found is None and "://" not in what:
        names = ", ".join(one.name for one in known) or "none"
        raise UsageError(f"{what} is no file, no directory and no section of binrepos.conf (there: {names})")
    if found is None and not unverified:
        raise UsageError(
            f"{what} is not the sync-uri of a binrepo, so that no key says whose it is; give it a section in binrepos.conf and "
            "`portage-ext trust add`, or look at it with --unverified"
        )
    if found is not None and ("://" not in found.sync_uri or found.sync_uri.startswith("file://")):
        # Portage opens it itself.
        return _directory(Path(found.sync_uri.removeprefix("file://")))
    transports = Transports()
    try:
        binrepo = _binrepo(host, found.name if found else "unverified", found.sync_uri if found else address, transports)
        return fetching.unverified(binrepo) if unverified else fetching.verified(binrepo, int(time.time()))
    finally:
        transports.close()


def _binrepo(host: Here, name: str, base: str, transports: Transports) -> Binrepo:
    return Binrepo(
        name=checked_name(name),
        base=base,
        settings=configuration.load(host.config_root, client_only=True),
        config_root=host.config_root,
        state=StateDirectory(host.eroot, name),
        transports=transports,
        warn=_Warnings().say,
        progress=lambda count: None,
    )


class _Warnings:
    """Says each thing once: a mirror that does not answer is asked again."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def say(self, text: str) -> None:
        if text not in self._said:
            print(f"portage-ext compare: {shown.text(text)}", file=sys.stderr)
        self._said.add(text)


def _known(ours: builder.Builder, described: Described) -> Known:
    theirs = described.builder
    known = Known(
        asking.judge_builder(theirs),
        asking.here().level,
        licences=groups((*ours.accept_license, *theirs.accept_license)),
        behind=behind(ours, theirs),
        places=assigned((*_VARIABLES, *ours.use_expand, *theirs.use_expand)),
    )
    if described.index is None:
        return known
    from portage_ext.host import offered

    entries = list(parse_index(io.BytesIO(described.index))[1])
    return replace(known, packages=offered.differing(entries), unbuilt=offered.unbuilt(entries))


def _print(what: str, described: Described, found: list[Finding]) -> None:
    screen, theirs = Screen(), described.builder
    verified = "verified by its Release" if described.verified else "not verified"
    screen.line(f"{what} ({verified}) and this host", "bold")
    screen.table(
        [
            ("profile", theirs.profile),
            ("compiled for", f"{' '.join(theirs.march) or 'the default'}{_level(theirs)}"),
            ("Portage", f"{theirs.portage}, portage-ext {theirs.portage_ext}"),
        ],
        indent="  ",
    )
    for one in found:
        screen.line()
        screen.line(f"{screen.paint(one.grade.value, _COLOUR[one.grade])}  {screen.paint(one.name, 'bold')}")
        screen.text(one.what, first="  ", indent="  ")
        if one.where:
            screen.line(f"  here: {one.where}")
        screen.text(one.remedy, first="  do: ", indent="      ")
    counts = {grade: sum(one.grade is grade for one in found) for grade in Grade}
    screen.line()
    told = [f"{count} {grade}{'s' if grade is Grade.TRAP and count > 1 else ''}" for grade, count in counts.items() if count]
    screen.line(", ".join(told) or "nothing differs")


def _level(theirs: builder.Builder) -> str:
    return f" (x86-64-v{theirs.cpu_level})" if theirs.cpu_level > 1 else " (x86-64)" if theirs.cpu_level == 1 else ""


def _print_json(what: str, described: Described, found: list[Finding], known: Known) -> None:
    values = {
        "binhost": shown.line(what),
        "verified": described.verified,
        "builder": json.loads(described.builder.emit()),
        "findings": [asdict(one) for one in found],
        "packages": [asdict(one) for one in known.packages],
        "unbuilt": list(known.unbuilt),
    }
    print(json.dumps(values))
