"""What real emerge builds twice agrees in all that counts, and what is not reproducible is kept and named, by the ledger."""

from __future__ import annotations

import shutil
from pathlib import Path

from portage_ext.builds import accepting
from portage_ext.builds.ledger.entries import Entry
from portage_ext.builds.means import Means, means
from portage_ext.builds.orders import Report
from portage_ext.gpkg.agreement import differences
from portage_ext.gpkg.describe import describe
from portage_ext.tasks.site import Site
from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root
from tests.unit.builds.examples import job

UNLIKE = """
src_install() {
    insinto /usr/share/unlike
    echo "made with ${MAKEOPTS}" > when || die
    echo "always" > always || die
    doins when always
}
"""


def deliver(its: Means, work: Path, key: str, group: str, package: Path) -> Entry:
    attempt = its.ledger.take(f"builder:of-{group}", its.places.log, [key], group=group)
    assert attempt is not None
    directory = work / "brought"
    shutil.rmtree(directory, ignore_errors=True)
    place = directory / "packages" / package.parent.parent.name / package.parent.name
    place.mkdir(parents=True)
    shutil.copy(package, place)
    (directory / "report.json").write_bytes(Report().emit())
    return accepting.accept(its, attempt, directory, trial=lambda *all: None)


def test_two_groups_build_with_real_emerge(work: Path) -> None:
    repository = EbuildRepository.create(work / "tiny")
    repository.c_program("app-misc/thing-1.0", "int main(void) { return 0; }\n")
    repository.ebuild("app-misc/unlike-1.0", UNLIKE)
    root = Root.create(work / "r", environments.environment(), [repository])
    built: dict[str, list[Path]] = {"thing": [], "unlike": []}
    for host, jobs in (("one", "-j21"), ("two", "-j13")):
        pkgdir = work / f"binpkgs-{host}"
        words = ("--buildpkgonly", "app-misc/thing", "app-misc/unlike")
        root.emerge(*words, PKGDIR=str(pkgdir), MAKEOPTS=jobs).ok()
        for name, packages in built.items():
            packages.append(next(pkgdir.rglob(f"{name}-1.0-1.gpkg.tar")))
    first, second = built["thing"]
    assert first.read_bytes() != second.read_bytes()
    assert differences(first, second) == ()

    site = work / "site"
    (site / "etc/portage").mkdir(parents=True)
    (site / "etc/portage/portage-ext.toml").write_text("[build]\nconfirm = 2\n")
    with means(Site.read(site)) as its:
        ended = {}
        for number, (name, packages) in enumerate(built.items()):
            key = f"{number}" * 64
            found = describe(packages[0]).values
            variables = {one: found.get(one, "") for one in ("CHOST", "CFLAGS", "CXXFLAGS", "LDFLAGS")}
            wanted = {"slot": "0/0", "repository": "tiny", "EAPI": "8"}
            its.ledger.request(key, "laptop", job(cpv=f"app-misc/{name}-1.0", ebuild=wanted, use={}, variables=variables))
            assert deliver(its, work, key, "lab", packages[0]).state == "queued"
            ended[name] = deliver(its, work, key, "office", packages[1])
    assert (ended["thing"].state, ended["thing"].reason) == ("checked", "")
    assert (ended["unlike"].state, ended["unlike"].failure) == ("failed", "differs")
    assert f"different packages: file {root.path}/usr/share/unlike/when; see" in ended["unlike"].reason
