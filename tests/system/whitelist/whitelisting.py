"""What the whitelist tests share: two env files, the packages they ask for, and what all of them are called."""

from __future__ import annotations

from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

ARGUMENTS = (
    "app-misc/hello", "app-misc/cxxhello", "app-misc/flags", "app-misc/slotted:1", "app-misc/slotted:2", "kde-apps/alpha",
    "kde-apps/beta", "net-libs/webkit",
)  # fmt: skip
HELLO, CXX, FLAGS = "app-misc/hello-1.1", "app-misc/cxxhello-1.0", "app-misc/flags-2.0"
SLOT1, SLOT2 = "app-misc/slotted-1.5", "app-misc/slotted-2.5"
ALPHA, BETA, WEBKIT = "kde-apps/alpha-24.1", "kde-apps/beta-24.1", "net-libs/webkit-1.0"
EVERYTHING = {HELLO, CXX, FLAGS, SLOT1, SLOT2, ALPHA, BETA, WEBKIT}


def whitelist(root: Root, *lines: str) -> None:
    """Write package.env, with env files ``on`` and ``off`` beside it."""
    root.etc("env/on", 'FEATURES="getbinpkg"\n')
    root.etc("env/off", 'FEATURES="-getbinpkg"\n')
    root.etc("package.env", "".join(f"{line}\n" for line in lines))


def overlay(root: Root) -> EbuildRepository:
    """A second ebuild repository that only this system has."""
    created = EbuildRepository.create(root.path / "overlay", "overlay", masters=root.repositories[0].name)
    text = (root.path / "etc/portage/repos.conf").read_text()
    root.etc("repos.conf", text + f"\n[overlay]\nlocation = {created.location}\n")
    return created


def binaries(root: Root, *options: str, **variables: str) -> set[str]:
    """Which of the packages ``emerge -p`` takes as binaries; the rest must be in the list too."""
    plan = root.emerge("-p", *options, *ARGUMENTS, **variables).ok()
    assert plan.binaries() | plan.sources() == EVERYTHING, str(plan)
    return plan.binaries()
