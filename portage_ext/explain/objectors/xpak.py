"""Where a signature is asked for, Portage leaves packages in the old format out of sight: they cannot carry one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from portage_ext.config import binrepos
from portage_ext.explain.objectors import Question
from portage_ext.explain.verdict import BINHOST, HERE, Reason, Remedy, Where
from portage_ext.host.probe import Attribute, Expectation, Names
from portage_ext.host.use_origin import setting

_REQUEST: Final = "binpkg-request-signature"
_READING: Final = "portage.dbapi.bintree:binarytree._populate_remote_repo"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Names(_READING, ("gpkg_only", "get_binpkg_format")),
    Attribute("portage.const:SUPPORTED_XPAK_EXTENSIONS"),
)


def ask(question: Question) -> Iterator[Reason]:
    """The binhost builds it again in a format that it can sign."""
    from portage.const import SUPPORTED_XPAK_EXTENSIONS

    binrepo, tree = question.offer.binrepo, question.tree
    if binrepo is None or binrepo not in tree.signed_only:
        return
    path = tree._remotepkgs[tree.dbapi._instance_key(question.candidate.cpv)].get("PATH") or ""
    if not path.endswith(SUPPORTED_XPAK_EXTENSIONS):
        return
    root = Path(question.settings["PORTAGE_CONFIGROOT"])
    if _REQUEST in question.settings.features:
        where, by = setting(question.settings, "FEATURES", _REQUEST), f"FEATURES={_REQUEST}"
    else:
        where, by = binrepos.place(root, binrepo, "verify-signature"), f"verify-signature of [{binrepo}]"
    asks = f"a signature is asked for by {by}{f' ({where})' if where else ''}"
    yield _reason(BINHOST, question.package.cpv, asks)


def in_pkgdir(settings: Any, cpv: str, path: str) -> Reason | None:
    """Why Portage leaves out a file of PKGDIR; None where it does not ask for signatures, or the file can carry one."""
    from portage.const import SUPPORTED_XPAK_EXTENSIONS

    if _REQUEST not in settings.features or not path.endswith(SUPPORTED_XPAK_EXTENSIONS):
        return None
    where = setting(settings, "FEATURES", _REQUEST)
    return _reason(HERE, cpv, path, f"a signature is asked for by FEATURES={_REQUEST}{f' ({where})' if where else ''}")


def _reason(where: Where, cpv: str, *details: str) -> Reason:
    build = f"BINPKG_FORMAT=gpkg emerge --oneshot --buildpkg {shlex.quote('=' + cpv)}"
    return Reason(
        "xpak",
        "Portage leaves it out: xpak, which cannot be signed",
        (Remedy(where, build), Remedy(where, "portage-ext sign")),
        (*details, "to change all of PKGDIR over, see docs/xpak-to-gpkg.md"),
    )
