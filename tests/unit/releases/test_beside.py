"""A release in which no package differs says what does, and gates that a person names judge also what is live already."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from portage_ext.cli.tree import news
from portage_ext.errors.releases import GateError
from portage_ext.model.builder import Builder
from portage_ext.releases import beside
from portage_ext.releases.made import Published, Source, Terms
from portage_ext.releases.publish import Publisher
from tests.unit.releases.published import SIGNATURE, Site, site
from tests.unit.releases.test_publish import Refusing


@pytest.fixture
def made(tmp_path: Path) -> Site:
    made = site(tmp_path)
    made.pkgdir.add("app-misc/foo-1")
    made.pkgdir.add("app-misc/bar-1")
    return made


def publish(made: Site, builder: Builder | None = None) -> Published:
    made.pkgdir.write()
    made.clock.now += 1
    source = dataclasses.replace(made.source(), builder=builder.emit() if builder else b"")
    return made.publisher.publish("production", source)


def test_another_configuration_of_the_builder_is_named_by_its_keys(made: Site) -> None:
    publish(made, Builder(chost="x86_64-pc-linux-gnu"))
    done = publish(made, Builder(chost="x86_64-pc-linux-gnu", cflags=("-O3",), use=("a",)))
    assert not done.difference
    assert done.beside == ("the builder's configuration (cflags, use)",)
    assert publish(made, Builder(chost="x86_64-pc-linux-gnu", cflags=("-O3",), use=("a",))).release is None
    assert publish(made).beside == ("the builder's configuration",)


def test_every_reason_for_a_release_has_its_words(made: Site) -> None:
    assert publish(made).beside == ()
    text = (made.pkgdir.path / "Packages").read_text()
    (made.pkgdir.path / "Packages").write_text(text.replace("VERSION: 0", "REPO_REVISIONS: {}\nVERSION: 0"))
    for form in ("Packages.gz", "Packages.zst"):
        (made.pkgdir.path / form).unlink()
    assert made.publisher.publish("production", made.source()).beside == ("the header of the index (REPO_REVISIONS)",)
    publish(made)
    (made.served() / made.name("app-misc/foo/foo-1-1.gpkg.tar")).unlink()
    assert publish(made).beside == ("1 package missing from release 3",)
    assert made.publisher.renew("production", force=beside.ANNOUNCED).beside == (beside.ANNOUNCED,)
    made.clock.now += 86400 * 16
    assert publish(made).beside == (beside.LATER_EXPIRY,)
    made.pkgdir.packages["app-misc/bar/bar-1-1.gpkg.tar"]["SYMBOL_CONTRACT"] = "x86_64 needs libfoo.so.1"
    done = publish(made)
    assert [one.other_metadata() for one in done.difference.rebuilt] == [["SYMBOL_CONTRACT"]]
    assert news(done) == "0 added, 0 removed, 0 rebuilt, 1 with other metadata (SYMBOL_CONTRACT)"


def test_another_order_of_the_same_packages_is_named(made: Site) -> None:
    publish(made)
    header, _, body = (made.pkgdir.path / "Packages").read_text().partition("\n\n")
    entries = [one for one in body.split("\n\n") if one.strip()]
    (made.pkgdir.path / "Packages").write_text("\n\n".join([header, *reversed(entries), ""]))
    for form in ("Packages.gz", "Packages.zst"):
        (made.pkgdir.path / form).unlink()
    assert made.publisher.publish("production", made.source()).beside == ("the order of the packages in the index",)


def test_gates_that_a_person_named_judge_what_is_live_too(made: Site) -> None:
    publish(made)
    asked = Publisher(made.tree, lambda data: SIGNATURE, Terms(86400 * 30, 3600), clock=made.clock, insist=True)
    with pytest.raises(GateError) as refused:
        asked.publish("production", Source(made.pkgdir.path, "published"), (Refusing(),))
    assert {one.where for one in refused.value.findings} == set(made.tree.contents(1).entries)
    assert "to release 1, which production serves and continues to serve" in str(refused.value)
    assert "the next run" not in str(refused.value)
    bar = made.name("app-misc/bar/bar-1-1.gpkg.tar")
    assert refused.value.lines == [f"[refusing] 2 packages: is not liked (such as {bar})"]
    assert made.tree.channels() == {"production": 1}
    # Those of the configuration have judged it already.
    assert made.publisher.publish("production", Source(made.pkgdir.path, "published"), (Refusing(),)).release is None
