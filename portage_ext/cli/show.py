"""portage-ext show: what is in a package: metadata, USE, contract, signatures, files."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from portage_ext import shown
from portage_ext.cli.screen import Screen
from portage_ext.config import settings as configuration
from portage_ext.errors import InvalidContractError, NoSuchPackageError
from portage_ext.gpkg import describe
from portage_ext.gpkg.describe import Described
from portage_ext.host.here import Here, here
from portage_ext.host.installed import InstalledPackage, matching
from portage_ext.model.contract import KEY as CONTRACT
from portage_ext.model.contract import SymbolContract
from portage_ext.policy import health
from portage_ext.trust import gpg, kept_root
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.memory import STATE_DIRECTORY, StateDirectory, checked_name
from portage_ext.trust.openpgp import Signature, Verdict

_DEPENDENCIES = ("DEPEND", "BDEPEND", "RDEPEND", "PDEPEND", "IDEPEND")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="FILE|ATOM", help="a binary package, or what is installed or in PKGDIR")
    parser.add_argument("--files", action="store_true", help="name every file that it installs")
    parser.add_argument("--json", action="store_true", help="print one JSON object a package")


@dataclass(frozen=True, slots=True)
class _Signed:
    """A signature, and for which binrepos its key is pinned here."""

    signature: Signature
    pinned: tuple[str, ...]
    known: bool
    """The key is in a keyring of this host."""

    def __str__(self) -> str:
        one = self.signature
        by = one.primary or one.fingerprint or one.keyid
        good = one.verdict is Verdict.GOOD
        told = "good" if good else one.verdict.name.lower().replace("_", " ")
        whose = f"pinned for {', '.join(self.pinned)}" if self.pinned else "known" if self.known else "unknown key"
        return f"{told}, by {by} ({whose})"


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when there is no such package, or one is not what its Manifest says."""
    path, status = Path(options.what), 0
    host = here()
    if path.is_file():
        installed, paths = list[InstalledPackage](), [path]
    else:
        installed, paths = matching(options.what, describe.KEYS)
        if not installed and not paths:
            raise NoSuchPackageError(options.what, f"the index of {host.pkgdir}")
    for package in installed:
        _tell(options, f"{package.cpv} (installed)", package.values, {"files": list(package.files)}, [])
    for one in paths:
        described = describe.describe(one)
        signed = _signatures(host, described)
        more: dict[str, object] = {"path": str(one), "size": described.size, "members": described.members}
        more |= {"damage": described.damage, "signed": bool(described.signed)}
        if options.files:
            more["files"] = [name for name, _ in describe.files(one)]
        _tell(options, str(one), described.values, more, signed)
        status = 1 if described.damage else status
    return status


def _signatures(host: Here, described: Described) -> list[_Signed]:
    if not described.signed:
        return []
    directory = TrustDirectory(host.config_root)
    home = configuration.load(host.config_root, client_only=True).portage_home
    rings = [*directory.directory.glob("*.gpg"), *(host.eroot / STATE_DIRECTORY).glob("*.gpg")]
    rings += [home / name for name in ("pubring.kbx", "pubring.gpg")]
    found = []
    for one in gpg.verify_clearsigned(rings, described.signed):
        pinned = tuple(name for name in directory.binrepos() if one.by_any_of(_believed(directory, host, name)))
        found.append(_Signed(one, pinned, bool(one.fingerprint)))
    return found


def _believed(directory: TrustDirectory, host: Here, name: str) -> frozenset[str]:
    """The keys pinned for a binrepo, or named by the root that it follows."""
    root = kept_root.believed(directory, StateDirectory(host.eroot, checked_name(name)))
    return directory.pins(name) if root is None else frozenset(root.release_keys)


def _tell(
    options: argparse.Namespace, name: str, values: Mapping[str, str], more: dict[str, object], signed: Sequence[_Signed]
) -> None:
    contract = _contract(values.get(CONTRACT, ""))
    if options.json:
        given = [
            {"verdict": one.signature.verdict.name.lower(), "fingerprint": one.signature.fingerprint}
            | {"primary": one.signature.primary, "pinned": list(one.pinned)}
            for one in signed
        ]
        print(json.dumps({"package": name, "metadata": dict(values), **more, "signatures": given}))
        return
    screen = Screen()
    screen.line(shown.line(name), "bold")
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
    if "path" in more:
        rows.append(("size", health.size(int(str(more["size"])))))
        rows.append(("content", str(more["damage"]) or "is what its Manifest says" if more["members"] else "xpak: no digests"))
        rows += [("signature", str(one)) for one in signed] or [("signature", "none")]
    files = more.get("files")
    if isinstance(files, list):
        rows.append(("files", str(len(files))))
    screen.table([(key, shown.line(value)) for key, value in rows if value], ("bold",), indent="  ")
    if options.files and isinstance(files, list):
        for one in files:
            screen.line(f"    {shown.line(one)}")


def _built(values: Mapping[str, str]) -> str:
    when, build = values.get("BUILD_TIME", ""), values.get("BUILD_ID", "")
    known = when.isascii() and when.isdigit() and len(when) < 12
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(int(when))) if known else ""
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
