"""Attacks that live on two readings of one index: ours, when the package is checked, and Portage's, when it is chosen.

Without a Release (``release = "optional"``) whoever holds the server writes the index. Each through real emerge.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.system.attacks.lab import Lab, TrustedBinhost
from tests.system.attacks.test_index import FLAGS, reindexed
from tests.testkit import binhost, environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

HELLO = "app-misc/hello-1.1"
BETA = "kde-apps/beta-24.1"
BOTH = "app-misc/both-1.0"
PROMISES = "app-misc/promises-1.0"


def entry(lab: Lab, cpv: str) -> dict[str, str]:
    block = next(one for one in lab.index().split("\n\n") if f"CPV: {cpv}\n" in one)
    return dict(line.split(": ", 1) for line in block.split("\n"))


def in_header(lab: Lab, values: dict[str, str]) -> None:
    """Have the header say ``values``, too, or instead, so that it looks like an entry."""
    header, _, body = lab.index().partition("\n\n")
    said = dict(line.split(": ", 1) for line in header.split("\n")) | values
    lab.write_index("".join(f"{key}: {value}\n" for key, value in sorted(said.items())) + "\n" + body)


def test_package_a_merged_as_b_by_a_header_that_looks_like_an_entry(open_lab: Lab) -> None:
    older = "app-misc/flags-1.0"
    shutil.copy(open_lab.package(older), open_lab.package(FLAGS))
    reindexed(open_lab, FLAGS)
    target = entry(open_lab, FLAGS)
    same = ("PATH", "SIZE", "MD5", "SHA1", "BLAKE2B")
    in_header(open_lab, entry(open_lab, older) | {key: target[key] for key in same})
    open_lab.refused("WrongPackageError", f"={FLAGS}")


@pytest.mark.slow
def test_dependencies_stripped_behind_a_header_that_has_them(open_lab: Lab) -> None:
    honest = entry(open_lab, BETA)
    open_lab.edit(r"^RDEPEND: .*\n", "", package=BETA)
    in_header(open_lab, honest)
    open_lab.refused("ChangedMetadataError", f"={BETA}")


@pytest.mark.slow
def test_another_repository_under_portages_inner_name(open_lab: Lab) -> None:
    open_lab.edit(r"^REPO: .*$", r"\g<0>\nrepository: other", package=FLAGS)
    open_lab.refused("EntryIdentityError", f"={FLAGS}::other")


@pytest.mark.parametrize("line", ["SLOT: 7", "MTIME: 1", "_mtime_: 1", "REPO: tiny", "CPV: app-misc/flags-2.0"])
def test_a_key_twice_in_one_entry(open_lab: Lab, line: str) -> None:
    key = line.partition(":")[0].replace("_mtime_", "MTIME")
    open_lab.edit(r"^SIZE: .*$", rf"{line}\n\g<0>\n{line}", package=FLAGS)
    outcome = open_lab.refused("EntryIdentityError", f"={FLAGS}")
    assert f"'{FLAGS}' says {key} twice" in outcome.text
    open_lab.accepted(HELLO.rpartition("-")[0])


@pytest.mark.slow
def test_a_key_twice_in_the_header(open_lab: Lab) -> None:
    open_lab.write_index("repository: other\nREPO: tiny\n" + open_lab.index())
    assert "its header says REPO twice" in open_lab.refused("DamagedIndexError", f"={FLAGS}").text


def test_a_second_header_among_the_entries(open_lab: Lab) -> None:
    header, _, body = open_lab.index().partition("\n\n")
    open_lab.write_index(f"{header}\n\nTIMESTAMP: 1\nREPO: other\n\n{body}")
    open_lab.refused("DamagedIndexError", f"={FLAGS}")


def test_keys_that_nobody_knows_are_dropped_and_do_no_harm(open_lab: Lab) -> None:
    open_lab.edit(r"^SIZE: .*$", "\\g<0>\nFUTURE-KEY: \x1b[2J\nFUTURE-KEY: 2\nFETCHCOMMAND: false", package=FLAGS)
    in_header(open_lab, {"FUTURE_HEADER": "x", "RELEASE": "7"})
    open_lab.accepted(FLAGS.rpartition("-")[0])
    cached = next((open_lab.client.path / "var/cache/edb/binhost").rglob("Packages")).read_text()
    assert "FUTURE" not in cached
    assert "RELEASE" not in cached


@pytest.fixture
def built(open_lab: Lab, work: Path, trusted: TrustedBinhost) -> Lab:
    """A laboratory with two more packages: one depends on two others, one records a contract. Built, signed and indexed."""
    repository = EbuildRepository(work / "repo", "tiny")
    shutil.copytree(trusted.binhost.repository.location, repository.location)
    repository.data(BOTH, RDEPEND="kde-apps/alpha app-misc/slotted")
    record = (
        'src_install() { echo "1 < x86_64 libown.so.1:OWN_1" > "${PORTAGE_BUILDDIR}"/build-info/SYMBOL_CONTRACT || die; }\n'
    )
    repository.ebuild(PROMISES, record)
    builder = binhost.signing_root(work / "builder", repository, trusted.key)
    builder.emerge("--buildpkgonly", "--nodeps", f"={BOTH}", f"={PROMISES}").ok()
    for cpv in (BOTH, PROMISES):
        target = open_lab.package(cpv)
        target.parent.mkdir()
        shutil.copy(builder.pkgdir / target.relative_to(open_lab.directory), target)
    indexer = Root.create(work / "indexer", environments.environment(), [repository], PKGDIR=str(open_lab.directory))
    indexer.run("portage-ext", "reindex", FEATURES="binpkg-ignore-signature").ok()
    (open_lab.directory / "Packages.zst").unlink()
    return open_lab


@pytest.mark.slow
def test_two_dependencies_that_became_any_of_them(built: Lab) -> None:
    assert entry(built, BOTH)["RDEPEND"] == "kde-apps/alpha app-misc/slotted"
    built.edit(r"^RDEPEND: (.*)$", r"RDEPEND: || ( \1 )", package=BOTH)
    built.merged("kde-apps/alpha")
    built.refused("ChangedMetadataError", f"={BOTH}")


@pytest.mark.parametrize("new", ["1 > x86_64 libc.so.6", "1 < x86_64 libstdc++.so.6:GLIBCXX_9"])
def test_a_contract_that_the_image_does_not_bear_out(open_lab: Lab, new: str) -> None:
    """The package records none: what the index says was worked out from its image, and is so again."""
    assert "GLIBC_" in entry(open_lab, HELLO)["SYMBOL_CONTRACT"]
    open_lab.edit(r"^SYMBOL_CONTRACT: .*$", f"SYMBOL_CONTRACT: {new}", package=HELLO)
    outcome = open_lab.refused("ChangedMetadataError", f"={HELLO}")
    assert "another SYMBOL_CONTRACT" in outcome.text


@pytest.mark.slow
def test_a_contract_for_a_package_that_has_nothing_to_promise(open_lab: Lab) -> None:
    open_lab.edit(r"^SIZE: .*$", r"\g<0>\nSYMBOL_CONTRACT: 1 < x86_64 libstdc++.so.6:GLIBCXX_9", package=FLAGS)
    open_lab.refused("ChangedMetadataError", f"={FLAGS}")


@pytest.mark.slow
def test_another_contract_than_the_package_records(built: Lab) -> None:
    assert entry(built, PROMISES)["SYMBOL_CONTRACT"] == "1 < x86_64 libown.so.1:OWN_1"
    built.edit(r"^SYMBOL_CONTRACT: .*$", r"\g<0>,OWN_2", package=PROMISES)
    built.refused("ChangedMetadataError", f"={PROMISES}")


@pytest.mark.slow
def test_honest_contracts_worked_out_recorded_and_left_out(built: Lab) -> None:
    built.accepted(f"={HELLO}", f"={PROMISES}", f"={BOTH}")
    built.write_index(re.sub(r"^SYMBOL_CONTRACT: .*\n", "", built.index(), flags=re.M))
    built.accepted(f"={HELLO}", f"={PROMISES}")
