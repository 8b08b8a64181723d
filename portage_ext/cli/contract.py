"""portage-ext contract: what a package needs and defines, down to the symbol version, and whether this system meets it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from portage_ext.cli.main import EXIT_FAILED, EXIT_OK
from portage_ext.elf.system import System
from portage_ext.elf.tree import read_image
from portage_ext.errors import NoSuchPackageError
from portage_ext.gpkg.contract import computed_contract, stored_contract
from portage_ext.host.installed import Place, installed_contracts, place
from portage_ext.model.contract import Library, Need, SymbolContract
from portage_ext.toolchain.plan import needs_of
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
    parser.add_argument("--json", action="store_true", help="print one JSON object a package")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 with ``--check`` when a need is not met."""
    here = place()
    system = System(here.root, here.eprefix)
    status = EXIT_OK
    found = False
    for name, source, contract in _contracts(options, here):
        found = True
        unmet = [need for need, search in needs_of(contract) if not system.holds(need, search)]
        if options.json:
            print(json.dumps(_as_json(name, source, contract, unmet), ensure_ascii=True))
        elif options.line:
            print(contract)
        else:
            _print(name, source, contract)
        if options.check and unmet:
            status = EXIT_FAILED
            if not options.json:
                for need in unmet:
                    there = bool(system.candidates(need.library))
                    print(f"not met here: {versions_text(need, system.missing(need), found=there)}")
    if not found:
        raise NoSuchPackageError(options.what)
    return status


def _contracts(options: argparse.Namespace, here: Place) -> Iterator[tuple[str, str, SymbolContract]]:
    path = Path(options.what)
    if path.is_dir():
        yield options.what, _COMPUTED, read_image(path, eprefix=here.eprefix).contract(eprefix=here.eprefix)
    elif path.is_file():
        stored = None if options.compute else stored_contract(path)
        yield (options.what, _RECORDED, stored) if stored is not None else (options.what, _COMPUTED, computed_contract(path))
    else:
        for cpv, recorded, contract in installed_contracts(options.what, compute=options.compute):
            yield cpv, _RECORDED if recorded else _COMPUTED, contract


def _print(name: str, source: str, contract: SymbolContract) -> None:
    print(f"{name} ({source})")
    if not contract:
        print("  no objects that a loader has to do with")
    for need in contract.needs:
        print(f"  needs   {_word(need.library, need.versions)}{'  (of plugins)' if need.plugin else ''}")
    for library, versions in sorted(contract.defines.items()):
        print(f"  defines {_word(library, versions)}")
    for category, places in sorted(contract.search.items()):
        print(f"  looks in {':'.join(places)} [{category}]")


def _word(library: Library, versions: frozenset[str]) -> str:
    return f"{library[1]} [{library[0]}]{' ' if versions else ''}{' '.join(sorted(versions))}"


def _as_json(name: str, source: str, contract: SymbolContract, unmet: list[Need]) -> dict[str, object]:
    def need(one: Need) -> dict[str, object]:
        versions = sorted(one.versions)
        return {"category": one.category, "soname": one.soname, "versions": versions, "plugin": one.plugin}

    return {
        "package": name,
        "recorded": source == _RECORDED,
        "needs": [need(one) for one in contract.needs],
        "defines": [{"category": c, "soname": s, "versions": sorted(v)} for (c, s), v in sorted(contract.defines.items())],
        "search": {category: list(places) for category, places in contract.search.items()},
        "unmet": [need(one) for one in unmet],
    }
