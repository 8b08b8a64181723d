"""What every made repository has: its name, its masters, and nothing that acts on another repository.

``aliases`` and ``repo-name`` of an overlay are not copied: with them it could take the name of another repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from portage_ext.repositories.swap import File

LAYOUT: Final = "metadata/layout.conf"
_COPIED: Final = (
    "allow-missing-manifest", "eapis-banned", "eapis-deprecated", "manifest-hashes", "manifest-required-hashes",
    "properties-allowed", "restrict-allowed",
)  # fmt: skip
"""Keys that say how packages of this repository are to be taken, and no more."""
_VALUE: Final = re.compile(r"[A-Za-z0-9 ._+-]*")
_FORMATS: Final = frozenset({"portage-1", "portage-2", "profile-repo-deps", "profile-license", "profile-default-eapi"})


def parse(text: str) -> dict[str, str]:
    """The keys of a layout.conf (``key = value``, comments); what is no such line is passed over."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("#")[0].partition("=")
        if equals and key.strip():
            found[key.strip()] = " ".join(value.split())
    return found


def skeleton(
    name: str,
    masters: Sequence[str],
    categories: Iterable[str],
    *,
    thin: bool = True,
    eapi: str = "",
    overlay: Mapping[str, str] | None = None,
) -> dict[str, File]:
    """The files of an empty repository called ``name``: repo_name, categories, layout.conf.

    ``thin``: Manifests name distfiles only. ``eapi``: the EAPI of the files below profiles/. ``overlay``: the layout.conf that
    the packages come from, of which the keys that concern packages are copied.
    """
    source = overlay or {}
    lines = [f"masters = {' '.join(masters)}", f"thin-manifests = {str(thin).lower()}", "sign-manifests = false"]
    formats = [word for word in source.get("profile-formats", "").split() if word in _FORMATS] or ["portage-2"]
    lines += [f"profile-formats = {' '.join(formats)}", "cache-formats = md5-dict"]
    lines += [f"{key} = {source[key]}" for key in _COPIED if key in source and _VALUE.fullmatch(source[key])]
    made = {
        LAYOUT: File(("\n".join(lines) + "\n").encode()),
        "profiles/repo_name": File(f"{name}\n".encode()),
        "profiles/categories": File("".join(f"{one}\n" for one in sorted(set(categories))).encode()),
    }
    if eapi:
        made["profiles/eapi"] = File(f"{eapi}\n".encode())
    return made
