"""portage-ext contract: what a package needs and defines, down to the symbol version, and whether this system meets it."""

from __future__ import annotations

import argparse
from typing import Final

from portage_ext import shown
from portage_ext.cli import objects
from portage_ext.cli.main import EXIT_FAILED, EXIT_OK
from portage_ext.model.contract import ANY, Library, Need, SymbolContract
from portage_ext.tasks import contracts
from portage_ext.tasks.contracts import Contracted
from portage_ext.toolchain.refusal import versions_text

_RECORDED: Final = "recorded"
_COMPUTED: Final = "worked out from the files"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="ATOM|FILE", help="an installed package, a binary package, or a directory with an image"
    )
    parser.add_argument("--compute", action="store_true", help="look at the files even when a contract is recorded")
    parser.add_argument("--check", action="store_true", help="exit 1 when this system does not meet a need; print which")
    parser.add_argument("--line", action="store_true", help="print the contract as one line, as metadata and index have it")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 with ``--check`` when a need is not met."""
    status = EXIT_OK
    for one in contracts.contracts(options.what, compute=options.compute):
        if options.json:
            objects.show(_as_json(one))
        elif options.line:
            print(one.portable)
        else:
            _print(one.name, _RECORDED if one.recorded else _COMPUTED, one.contract)
        if options.check and one.unmet:
            status = EXIT_FAILED
            if not options.json:
                for lack in one.unmet:
                    print(shown.line(f"not met here: {versions_text(lack.need, lack.missing, found=lack.found)}"))
    return status


def _print(name: str, source: str, contract: SymbolContract) -> None:
    print(shown.line(f"{name} ({source})"))
    if not contract:
        print("  no objects that a loader has to do with")
    for need in contract.needs:
        print(f"  needs   {_word(need.library, need.versions)}{'  (of plugins)' if need.plugin else ''}")
    for library, versions in sorted(contract.defines.items()):
        print(f"  defines {_word(library, versions)}")
    for (directory, library), versions in sorted((contract.private or {}).items()):
        print(f"  has     {_word(library, versions) if library[1] != ANY else 'more'}  in {directory}")
    for category, directories in sorted(contract.search.items()):
        print(shown.line(f"  looks in {':'.join(directories)} [{category}]"))


def _word(library: Library, versions: frozenset[str]) -> str:
    return shown.line(f"{library[1]} [{library[0]}]{' ' if versions else ''}{' '.join(sorted(versions))}")


def _as_json(one: Contracted) -> dict[str, object]:
    contract = one.contract

    def need(of: Need) -> dict[str, object]:
        return {"category": of.category, "soname": of.soname, "versions": sorted(of.versions), "plugin": of.plugin}

    return {
        "package": one.name,
        "recorded": one.recorded,
        "needs": [need(of) for of in contract.needs],
        "defines": [{"category": c, "soname": s, "versions": sorted(v)} for (c, s), v in sorted(contract.defines.items())],
        "private": None
        if contract.private is None
        else [
            {"directory": d, "category": c, "soname": s, "versions": sorted(v)}
            for (d, (c, s)), v in sorted(contract.private.items())
        ],
        "search": {category: list(places) for category, places in contract.search.items()},
        "unmet": [need(lack.need) for lack in one.unmet],
    }
