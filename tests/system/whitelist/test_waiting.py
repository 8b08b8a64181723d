"""A client that never compiles (BINPKG_ONLY="wait"), and a binhost that lags behind the ebuild repository by one update."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

UPDATE = ("--update", "--deep", "--newuse", "@world")
LIBRARY, PROGRAM, LEAF, EXTRA = "dev-libs/lib", "app-misc/program", "app-misc/leaf", "app-misc/extra"


@dataclass(frozen=True)
class Lab:
    """The ebuild repository, a binhost that builds from it when it is told to, and the client."""

    repository: EbuildRepository
    binhost: Root
    client: Root

    def tree(self, version: int) -> None:
        """The next state of the repository: ``version`` of everything, and the ebuilds of the one before."""
        for old in (self.repository.location / "app-misc").rglob(f"*-{version - 2}.ebuild"):
            old.unlink()
        self.repository.data(f"{LIBRARY}-{version}", SLOT=f"0/{version}")
        extra = f" >={EXTRA}-{version}" if version > 2 else ""
        needs = {"DEPEND": f"{LIBRARY}:=", "RDEPEND": f"{LIBRARY}:={extra}"}
        self.repository.data(f"{PROGRAM}-{version}", **needs)
        self.repository.data(f"{LEAF}-{version}", IUSE="foo")
        self.repository.data(f"{EXTRA}-{version}")

    def build(self, *names: str) -> None:
        """The binhost catches up with these packages, and merges what the program binds to."""
        how = ("--oneshot", "--update", "--jobs=2") if PROGRAM in names else ("--buildpkgonly",)
        self.binhost.emerge(*how, "--quiet", *names).ok()

    def emerge(self, *words: str, **variables: str) -> Outcome:
        return self.client.emerge(*words, **variables)

    def compiled(self) -> set[str]:
        """What the client has ever compiled."""
        return {cpv for cpv, kind in self.client.merged().items() if kind == "ebuild"}


@pytest.fixture
def lab(work: Path) -> Lab:
    repository = EbuildRepository.create(work / "tiny")
    plain = environments.environment(plugin=False)
    binhost = Root.create(work / "binhost", plain, [repository], features="buildpkg binpkg-multi-instance")
    client = Root.create(work / "client", environments.environment(), [repository])
    client.etc("binrepos.conf", f"[lagging]\nsync-uri = file://{binhost.pkgdir}\nverify-signature = false\n")
    client.etc("env/driver", 'FEATURES="getbinpkg"\nBINPKG_ONLY="wait"\n')
    client.etc("package.env", "*/* driver\n")
    made = Lab(repository, binhost, client)
    made.tree(1)
    return made


def waiting(run: Outcome) -> str:
    """The closing line; empty without one."""
    lines = [line for line in run.stderr.splitlines() if "for a binary: " in line]
    assert len(lines) < 2, str(run)
    return lines[0] if lines else ""


def since(lab: Lab) -> dict[str, int]:
    path = lab.client.path / "var/lib/portage-ext/waiting.json"
    return {name: one["since"] for name, one in json.loads(path.read_text()).items()} if path.exists() else {}


def test_two_updates_of_the_tree_and_nothing_is_compiled(lab: Lab) -> None:
    lab.build(LEAF)
    lab.emerge("--quiet", LEAF).ok()
    lab.tree(2)
    first = lab.emerge(*UPDATE).ok()
    assert lab.client.installed() == {f"{LEAF}-1"}
    assert waiting(first).startswith(f"portage-ext: 1 package waits for a binary: {LEAF}-2 (leaf-1 stays, since 2"), str(first)
    assert "ebuilds" not in first.text.lower()
    began = since(lab)
    assert began.keys() == {f"{LEAF}:0"}

    # The binhost has the second state when the tree is at the third, in which the ebuilds of the first are gone.
    lab.build(LEAF)
    lab.tree(3)
    second = lab.emerge(*UPDATE).ok()
    assert lab.client.installed() == {f"{LEAF}-2"}
    assert f"{LEAF}-3 (leaf-2 stays, since " in waiting(second), str(second)
    assert since(lab) == began

    lab.build(LEAF)
    last = lab.emerge(*UPDATE).ok()
    assert lab.client.installed() == {f"{LEAF}-3"}
    assert waiting(last) == ""
    assert since(lab) == {}
    assert lab.compiled() == set()


@pytest.mark.slow
def test_three_updates_of_a_library_and_of_what_is_bound_to_it(lab: Lab) -> None:
    lab.build(LIBRARY, PROGRAM, LEAF)
    lab.emerge("--quiet", PROGRAM, LEAF).ok()
    assert lab.client.installed() == {f"{name}-1" for name in (LIBRARY, PROGRAM, LEAF)}

    lab.tree(2)
    first = lab.emerge(*UPDATE).ok()
    assert lab.client.installed() == {f"{name}-1" for name in (LIBRARY, PROGRAM, LEAF)}
    for name in (LIBRARY, PROGRAM, LEAF):
        assert f"{name}-2 ({name.partition('/')[2]}-1 stays, since 2" in waiting(first), str(first)
    assert "portage-ext: 3 packages wait for a binary: " in waiting(first)
    assert "ebuilds" not in first.text.lower()
    began = since(lab)
    assert began.keys() == {f"{name}:0" for name in (LIBRARY, PROGRAM, LEAF)}

    # The binhost has the second state when the tree is at the third, in which the ebuilds of the first are gone.
    lab.build(LIBRARY, PROGRAM, LEAF)
    lab.tree(3)
    second = lab.emerge(*UPDATE).ok()
    assert {f"{name}-2" for name in (LIBRARY, PROGRAM, LEAF)} == lab.client.installed()
    for name in (LIBRARY, PROGRAM, LEAF):
        assert f"{name}-3 ({name.partition('/')[2]}-2 stays, since " in waiting(second), str(second)
    assert since(lab) == began

    # A leaf comes alone; the program needs a package that is nowhere yet.
    lab.binhost.emerge("--oneshot", "--quiet", LEAF).ok()
    third = lab.emerge(*UPDATE).ok()
    assert f"{LEAF}-3" in lab.client.installed()
    assert LEAF not in waiting(third)
    assert f"{PROGRAM}-3" in waiting(third)

    # It has the third state when the tree is at the fourth.
    lab.build(LIBRARY, PROGRAM, LEAF, EXTRA)
    lab.tree(4)
    fourth = lab.emerge(*UPDATE).ok()
    assert lab.client.installed() == {f"{name}-3" for name in (LIBRARY, PROGRAM, LEAF, EXTRA)}
    for name in (LIBRARY, PROGRAM, LEAF, EXTRA):
        assert f"{name}-4 ({name.partition('/')[2]}-3 stays, since " in waiting(fourth), str(fourth)

    lab.build(LIBRARY, PROGRAM, LEAF, EXTRA)
    last = lab.emerge(*UPDATE).ok()
    assert lab.client.installed() == {f"{name}-4" for name in (LIBRARY, PROGRAM, LEAF, EXTRA)}
    assert waiting(last) == ""
    assert since(lab) == {}
    assert lab.compiled() == set()


def test_what_is_not_to_be_had_is_named_and_can_be_forced(lab: Lab) -> None:
    lab.build(LIBRARY, LEAF)
    lab.emerge("--quiet", LEAF).ok()
    lab.tree(2)
    missing = lab.emerge("--pretend", f">={LEAF}-2").failed()
    assert f"{LEAF}-2 (leaf-1 stays, since" in waiting(missing)
    assert f'{LEAF}-2::tiny (masked by: BINPKG_ONLY="wait")' in missing.stderr
    # Nothing is written by a run that merges nothing.
    assert since(lab) == {}
    # A dependency that is nowhere is named with what needs it.
    lab.client.etc("env/compile", 'BINPKG_ONLY="no"\n')
    lab.client.etc("package.env", f"*/* driver\n{PROGRAM} compile\n")
    lab.emerge("--quiet", PROGRAM).ok()
    lab.tree(3)
    blocked = lab.emerge("--pretend", *UPDATE).ok()
    assert f"{PROGRAM}-3 (needs {EXTRA}-3; program-" in waiting(blocked), str(blocked)

    forced = lab.emerge("--quiet", "--oneshot", f"--usepkg-exclude={LEAF}", LEAF).ok()
    assert waiting(forced) == ""
    assert f"{LEAF}-3" in lab.client.installed()
    assert lab.client.merged()[f"{LEAF}-3"] == "ebuild"


def test_a_changed_flag_waits_too_and_a_wrong_value_is_named(lab: Lab) -> None:
    lab.build(LEAF)
    lab.emerge("--quiet", LEAF).ok()
    lab.client.etc("package.use/leaf", f"{LEAF} foo\n")
    flags = lab.emerge("--pretend", *UPDATE).ok()
    assert flags.plan() == {}
    assert f"{LEAF}-1 (leaf-1 stays" in waiting(flags)
    assert lab.emerge("--pretend", "--newuse", "--update", LEAF, BINPKG_ONLY="no").ok().plan() == {f"{LEAF}-1": "ebuild"}
    lab.client.etc("env/driver", 'FEATURES="getbinpkg"\nBINPKG_ONLY="Wait"\n')
    wrong = lab.emerge("--pretend", *UPDATE).ok()
    assert 'BINPKG_ONLY="Wait" is neither "wait" nor "no"' in wrong.stderr
    assert wrong.plan() == {f"{LEAF}-1": "ebuild"}
