"""portage-ext provenance: what a package was built from, as a binhost states it, verified from its signed Release on."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from portage_ext import shown
from portage_ext.cli import objects
from portage_ext.cli import tree as common
from portage_ext.cli.screen import Screen
from portage_ext.model.provenance import Record
from portage_ext.tasks import provenance
from portage_ext.tasks.provenance import Proven
from portage_ext.words import counted

_MOST: Final = 12
"""How many inputs of a kind are named; --json names all."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="FILE|ATOM", help="a binary package, or what is installed or in PKGDIR")
    parser.add_argument("--binhost", metavar="NAME", help="the section of binrepos.conf that is asked (default: each)")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0; 1 if a file has no statement that can be verified, or is not the one that was stated."""
    for one in provenance.provenance(options.what, binhost=options.binhost, warn=common.warn):
        if options.json:
            objects.show(_as_json(one))
        else:
            _print(one)
    return 0


def _as_json(one: Proven) -> dict[str, object]:
    stated = one.statement
    subject = None if stated is None else {"name": stated.path, "digest": dict(stated.digest)}
    record = None if one.record is None else asdict(one.record)
    builder = None if stated is None else stated.builder
    subject_of = {"package": one.name, "verified": stated is not None, "binhost": one.binhost, "builder": builder}
    return {**subject_of, "subject": subject, "record": record}


def _print(one: Proven) -> None:
    screen = Screen()
    screen.line(shown.line(one.name), "bold")
    stated, made = one.statement, one.record
    if stated is not None:
        rows = [("verified", f"[{one.binhost}] states it as {stated.path}, and its signed Release proves that")]
    else:
        rows = [("verified", "no: only a package file can be compared with what a binhost states")]
    if made is None:
        rows.append(("recorded", "nothing: PORTAGE_EXT_PROVENANCE was not on where it was built"))
    else:
        rows += _rows(made)
    if stated is not None:
        rows.append(("builder", stated.builder))
    screen.table([(key, shown.line(value)) for key, value in rows if value], ("bold",), indent="  ")


def _rows(made: Record) -> list[tuple[str, str]]:
    return [
        ("package", made.cpv),
        ("repository", " at commit ".join(filter(None, (made.repository, made.commit)))),
        ("ebuild", f"BLAKE2B {made.ebuild.get('blake2b', '')[:16]}…"),
        ("environment", f"job {made.job}" if made.job else ""),
        *((key, value) for key, value in made.variables.items() if key in ("CFLAGS", "USE")),
        ("eclasses", _named(made.eclasses)),
        ("distfiles", _named(made.distfiles)),
        ("built with", _named(made.dependencies)),
    ]


def _named(inputs: Mapping[str, Mapping[str, str]]) -> str:
    if not inputs:
        return ""
    names = [f"{name} (build {one['build_id']})" if one.get("build_id") else name for name, one in inputs.items()]
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{counted(len(names), 'input')}: {', '.join(names[:_MOST])}{more}"
