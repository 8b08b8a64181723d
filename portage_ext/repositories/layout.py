"""Every made repository has a name and masters of its own, and nothing in it can affect another repository.

``aliases`` and ``repo-name`` of an overlay are not copied, because the overlay could use them to take the name of another one.
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
"""Keys that only concern the packages of this repository."""
_VALUE: Final = re.compile(r"[A-Za-z0-9 ._+-]*")
_FORMATS: Final = frozenset({"portage-1", "portage-2", "profile-repo-deps", "profile-license", "profile-default-eapi"})


def parse(text: str) -> dict[str, str]:
    """Parse a layout.conf (``key = value`` lines and comments). Other lines are ignored."""
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

    With ``thin``, Manifests only list distfiles. ``eapi`` is the EAPI of the files below profiles/. ``overlay`` is the
    layout.conf of the overlay, from which the keys that concern packages are copied.
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
