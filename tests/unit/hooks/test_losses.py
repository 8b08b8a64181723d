"""Who needs what is told from whole contracts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from portage_ext.hooks.losses import _contract, _recorded, losses
from portage_ext.hooks.phase import Phase
from portage_ext.limits import CONTRACT_SIZE
from tests.unit.elf import objects


def test_a_contract_that_is_too_long_is_not_read_in_part(work: Path) -> None:
    path = work / "SYMBOL_CONTRACT"
    path.write_text("2 > x86_64" + " liba.so.1" * (CONTRACT_SIZE // 10))
    assert _recorded(path, "") is None


def test_what_a_package_brings_is_read_from_its_image_where_its_contract_cannot_be_read(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if it were empty, every library of the version before would be called lost."""
    phase = Phase(work / "image", work, "", work, work / "build-info", "a/b-2", "a/b")
    (work / "image/usr/lib64").mkdir(parents=True)
    objects.library(work / "image/usr/lib64/libb.so.1", ["B_1"], soname="libb.so.1")
    (work / "build-info").mkdir()
    (work / "build-info/SYMBOL_CONTRACT").write_text("9 < x86_64 libb.so.1")
    assert list(_contract(phase).defines) == [("x86_64", "libb.so.1")]
    assert "skipping " in capsys.readouterr().err


@dataclass(frozen=True, slots=True)
class Host:
    """A root in which a/b-1 has libp.so of P_1 and P_2 in a directory of its own; b-2 is to replace it."""

    work: Path

    def installed(self, name: str, contract: str, *, has: tuple[str, ...] = (), rdepend: str = "") -> None:
        entry = self.work / "root/var/db/pkg" / name
        entry.mkdir(parents=True)
        (entry / "SYMBOL_CONTRACT").write_text(contract)
        (entry / "RDEPEND").write_text(rdepend)
        (entry / "NEEDED.ELF.2").write_text("".join(f"x;{path};libp.so;;;x86_64\n" for path in has))
        for path in has:
            objects.library(self.work / f"root{path}", ["P_1", "P_2"], soname="libp.so")

    def losses(self, contract: str, *, preserves: bool = False) -> list[tuple[str, frozenset[str], bool]]:
        """What is told when b-2 has ``contract``: victim, versions that it lacks, whether it finds another library."""
        (self.work / "build-info").mkdir(exist_ok=True)
        (self.work / "build-info/SYMBOL_CONTRACT").write_text(contract)
        phase = Phase(self.work / "image", self.work / "root", "", self.work, self.work / "build-info", "a/b-2", "a/b")
        return [(one.victim, one.missing, one.found) for one in losses(phase, ["1"], preserves=preserves)]


P_2 = frozenset({"P_2"})
OLD = "2 @ x86_64 /opt/p libp.so:P_1,P_2"


@pytest.fixture
def host(work: Path) -> Host:
    (work / "root/etc").mkdir(parents=True)
    (work / "root/etc/ld.so.conf").write_text("/opt/public\n")
    objects.library(work / "root/lib64/libc.so.6", [])
    made = Host(work)
    made.installed("a/b-1", OLD, has=("/opt/p/libp.so",))
    return made


def test_private_library_that_runpath_leads_to(host: Host) -> None:
    host.installed("u/user-1", "2 > x86_64 libp.so:P_2 / x86_64 /opt/p /opt/q")
    host.installed("u/without-1", "2 > x86_64 libp.so:P_2")  # does not run today
    assert host.losses("2") == [("u/user-1", P_2, False)]
    assert host.losses("2 @ x86_64 /opt/p libp.so:P_1") == [("u/user-1", P_2, True)]
    assert host.losses("2 @ x86_64 /opt/other libp.so:P_1,P_2") == [("u/user-1", P_2, False)]
    # By RUNPATH Portage knows of its user.
    assert host.losses("2", preserves=True) == []


def test_private_library_that_is_named_by_its_path(host: Host) -> None:
    host.installed("u/user-1", "2 > x86_64 /opt/p/libp.so:P_2")
    assert host.losses("2 @ x86_64 /opt/p libp.so:P_1") == [("u/user-1", P_2, True)]
    assert host.losses("2 @ x86_64 /opt/p libp.so:P_1,P_2,P_3") == []


@pytest.mark.parametrize(
    "contract",
    [
        "2 @ x86_64 /opt/q libp.so:P_1,P_2",
        "2 @ x86_64 /opt/link libp.so:P_1,P_2",
        "2 @ x86_64 /opt/public libp.so:P_1,P_2",
        "2 @ x86_64 /opt/p libp.so:P_1 < x86_64 libp.so:P_2",
        "2 @ x86_64 /opt/p libp.so",
        "2 @ x86_64 /opt/p ?",
        "2 @ x86_64 /opt/q ?",
    ],
)
def test_private_library_that_moves_to_where_the_program_looks_is_not_lost(host: Host, contract: str) -> None:
    host.installed("u/user-1", "2 > x86_64 libp.so:P_2 / x86_64 /opt/p /opt/q")
    (host.work / "root/opt/link").symlink_to("p")
    assert host.losses(contract) == []


def test_private_library_that_another_package_provides_is_not_lost(host: Host) -> None:
    host.installed("u/user-1", "2 > x86_64 libp.so:P_2 / x86_64 /opt/p /opt/q")
    host.installed("a/other-1", "2 @ x86_64 /opt/q libp.so:P_1,P_2", has=("/opt/q/libp.so",))
    assert host.losses("2") == []


def test_private_library_that_only_a_script_leads_to(host: Host) -> None:
    host.installed("u/user-1", "2 > x86_64 libp.so:P_2", rdepend="a/between")
    host.installed("u/alone-1", "2 > x86_64 libp.so:P_2")  # nothing leads it there
    host.installed("a/between-1", "2", rdepend="|| ( >=a/b-1 a/c )")
    assert host.losses("2") == [("u/user-1", P_2, False)]
    # The map of libraries does not know that a script leads there.
    assert host.losses("2 @ x86_64 /opt/p libp.so:P_1", preserves=True) == [("u/user-1", P_2, False)]
    assert host.losses("2 @ x86_64 /opt/other libp.so:P_1,P_2") == []
    assert host.losses("2 < x86_64 libp.so:P_1,P_2") == []
    host.installed("a/c-1", "2 @ x86_64 /opt/c libp.so:P_1,P_2", has=("/opt/c/libp.so",))
    assert host.losses("2") == []


def test_private_libraries_that_are_too_many_to_be_recorded(host: Host) -> None:
    (host.work / "root/var/db/pkg/a/b-1/SYMBOL_CONTRACT").write_text("2 @ x86_64 /opt/p ?")
    host.installed("u/user-1", "2 > x86_64 libp.so:P_2 / x86_64 /opt/p")
    assert host.losses("2 @ x86_64 /opt/p ?") == []
    assert host.losses("2 @ x86_64 /opt/p libq.so") == [("u/user-1", P_2, False)]
    # Format 1 does not tell what was there.
    (host.work / "root/var/db/pkg/a/b-1/SYMBOL_CONTRACT").write_text("1")
    assert host.losses("2") == []
