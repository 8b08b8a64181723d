"""portage-ext show: what is in a package: metadata, USE, contract, signatures, files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from portage_ext import shown, words
from portage_ext.cli import objects
from portage_ext.cli.screen import Screen
from portage_ext.errors import InvalidContractError
from portage_ext.model.contract import KEY as CONTRACT
from portage_ext.model.contract import SymbolContract
from portage_ext.tasks import inspection
from portage_ext.tasks.inspection import Inspected, Signed
from portage_ext.trust.openpgp import Verdict

_DEPENDENCIES = ("DEPEND", "BDEPEND", "RDEPEND", "PDEPEND", "IDEPEND")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="FILE|ATOM", help="a binary package, or what is installed or in PKGDIR")
    parser.add_argument("--files", action="store_true", help="name every file that it installs")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when there is no such package, or one is not what its Manifest says."""
    status = 0
    for one in inspection.inspect(options.what, files=options.files):
        if options.json:
            objects.show(_as_json(one))
        else:
            _print(one, names=options.files)
        status = 1 if one.file is not None and one.file.damage else status
    return status


def _as_json(one: Inspected) -> dict[str, object]:
    given = [
        {"verdict": sign.signature.verdict.name.lower(), "fingerprint": sign.signature.fingerprint}
        | {"primary": sign.signature.primary, "pinned": list(sign.pinned)}
        for sign in one.signatures
    ]
    more: dict[str, object] = {}
    if one.file is not None:
        more = {"path": str(one.file.path), "size": one.file.size, "members": one.file.members}
        more |= {"damage": one.file.damage, "signed": bool(one.file.signed)}
    if one.files is not None:
        more["files"] = list(one.files)
    return {"package": one.name, "metadata": dict(one.values), **more, "signatures": given}


def _print(one: Inspected, *, names: bool) -> None:
    values = one.values
    contract = _contract(values.get(CONTRACT, ""))
    screen = Screen()
    screen.line(shown.line(one.name), "bold")
    rows = [
        (
            "package",
            f"{values.get('CATEGORY', '')}/{values.get('PF', '')}:{values.get('SLOT', '')}::{values.get('repository', '')}",
        ),
        ("built", _built(values)),
        ("for", " with ".join(filter(None, (values.get("CHOST"), values.get("CFLAGS"))))),
        ("USE", _use(values)),
        ("licence", values.get("LICENSE", "")),
        *((key, values.get(key, "")) for key in _DEPENDENCIES),
        ("contract", contract),
    ]
    if one.file is not None:
        rows.append(("size", words.size(one.file.size)))
        rows.append(("content", one.file.damage or "is what its Manifest says" if one.file.members else "xpak: no digests"))
        rows += [("signature", _signature(sign)) for sign in one.signatures] or [("signature", "none")]
    if one.files is not None:
        rows.append(("files", str(len(one.files))))
    screen.table([(key, shown.line(value)) for key, value in rows if value], ("bold",), indent="  ")
    if names:
        for file in one.files or ():
            screen.line(f"    {shown.line(file)}")


def _signature(one: Signed) -> str:
    by = one.signature.primary or one.signature.fingerprint or one.signature.keyid
    good = one.signature.verdict is Verdict.GOOD
    told = "good" if good else one.signature.verdict.name.lower().replace("_", " ")
    whose = f"pinned for {', '.join(one.pinned)}" if one.pinned else "known" if one.known else "unknown key"
    return f"{told}, by {by} ({whose})"


def _built(values: Mapping[str, str]) -> str:
    when, build = values.get("BUILD_TIME", ""), values.get("BUILD_ID", "")
    known = when.isascii() and when.isdigit() and len(when) < 12
    day = words.minute(int(when)) if known else ""
    return ", ".join(filter(None, (day, f"build {build}" if build else "")))


def _use(values: Mapping[str, str]) -> str:
    on = set(values.get("USE", "").split())
    flags = sorted(flag.lstrip("+-") for flag in values.get("IUSE", "").split())
    return " ".join(flag if flag in on else f"-{flag}" for flag in flags)


def _contract(text: str) -> str:
    if not text:
        return "none recorded"
    try:
        contract = SymbolContract.parse(text)
    except InvalidContractError as error:
        return str(error)
    needs = ", ".join(sorted({need.soname for need in contract.needs})) or "nothing"
    defines = ", ".join(sorted({soname for _, soname in contract.defines})) or "nothing"
    return f"needs {needs}; defines {defines}"
