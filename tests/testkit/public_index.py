"""An index of the shape that a real public binhost has, made up: 161 xpak packages, none of which can carry a signature.

The ebuilds of the tree have moved on since it was built: some have other dependencies, two and more of one kind, some another
version, and most are no longer there.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.testkit.ebuilds import CATEGORIES, EbuildRepository

ENTRIES = 161
BUILT = 1_690_000_000
SAME, CHANGED, NEWER = "app-misc/p000-1.0", "dev-libs/p001-1.1", "kde-apps/p002-1.3"
"""What the tree has the ebuild of as it was built; with other dependencies; in a newer version."""


def cpvs() -> list[str]:
    """What the index has, in its order."""
    made = (f"{CATEGORIES[number % 3]}/p{number:03d}-1.{number % 7 if number != 2 else 2}" for number in range(ENTRIES))
    return sorted(made)


def tree(repository: EbuildRepository) -> None:
    """Write the ebuilds that are still there."""
    for name in ("a", "b", "c", "d"):
        repository.data(f"app-misc/dep-{name}-1")
    repository.data(SAME, RDEPEND="app-misc/dep-a")
    repository.data(CHANGED, RDEPEND="app-misc/dep-c app-misc/dep-d", DEPEND="app-misc/dep-c")
    repository.data(NEWER)


def write(directory: Path, *, suffix: str = ".xpak") -> None:
    """Write ``Packages`` into ``directory``. The packages themselves are not there: nothing here is fetched."""
    header = {
        "ACCEPT_KEYWORDS": "amd64",
        "ACCEPT_LICENSE": "*",
        "ARCH": "amd64",
        "CBUILD": "x86_64-pc-linux-gnu",
        "CHOST": "x86_64-pc-linux-gnu",
        "PACKAGES": str(ENTRIES),
        "PROFILE": "default/linux/amd64/23.0",
        "TIMESTAMP": str(BUILT + 86400),
        "USE": "amd64 elibc_glibc kernel_linux",
        "VERSION": "0",
    }
    blocks = ["\n".join(f"{key}: {value}" for key, value in header.items())]
    for number, cpv in enumerate(cpvs(), 1):
        category, pf = cpv.split("/")
        digest = hashlib.sha256(cpv.encode()).hexdigest()
        entry = {
            "BUILD_ID": "1",
            "BUILD_TIME": str(BUILT + number),
            "CPV": cpv,
            "DEFINED_PHASES": "install",
            "EAPI": "8",
            "KEYWORDS": "amd64",
            "LICENSE": "GPL-2",
            "MD5": digest[:32],
            "PATH": f"{category}/{pf.rpartition('-')[0]}/{pf}-1{suffix}",
            "REPO": "tiny",
            "SHA1": digest[:40],
            "SIZE": str(10_000 + number),
        }
        if cpv in (SAME, CHANGED):
            entry["RDEPEND"] = "app-misc/dep-a" + (" app-misc/dep-b" if cpv == CHANGED else "")
        blocks.append("\n".join(f"{key}: {value}" for key, value in sorted(entry.items())))
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "Packages").write_text("\n\n".join(blocks) + "\n\n")
