"""Clients of a public channel get a new toolchain before the packages that need it, and nothing that waits is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.config.updating import Updating
from portage_ext.model.release import BILL, PROVENANCE
from portage_ext.releases import provenance
from portage_ext.releases.bill import bill
from portage_ext.releases.contents import Contents
from portage_ext.releases.made import At, First, Published, Terms
from portage_ext.releases.publish import Publisher
from portage_ext.updates.promotion import choose
from tests.unit.releases.published import SIGNATURE, Site, site

HOUR = 3600
GLIBC = "sys-libs/glibc-{}"
OLD, NEW = "GLIBC_2.38", "GLIBC_2.39"


def libc(*versions: str) -> str:
    return f"2 < x86_64 libc.so.6:{','.join(versions)}"


def needs(*versions: str, soname: str = "libc.so.6") -> str:
    return f"2 > x86_64 {soname}:{','.join(versions)}"


@pytest.fixture
def made(tmp_path: Path) -> Site:
    """The channel has glibc 2.38 and a program; in PKGDIR there are the next glibc, a program that needs it, and data."""
    one = site(tmp_path)
    one.publisher = publisher(one)
    one.pkgdir.add(GLIBC.format("2.38"), SYMBOL_CONTRACT=libc(OLD))
    one.pkgdir.add("app-misc/tool-1", SYMBOL_CONTRACT=needs(OLD))
    publish(one)
    one.pkgdir.add(GLIBC.format("2.39"), SYMBOL_CONTRACT=libc(OLD, NEW))
    one.pkgdir.add("app-misc/tool-2", SYMBOL_CONTRACT=needs(OLD, NEW))
    one.pkgdir.add("app-misc/data-1")
    return one


def publisher(one: Site, wait: int = 24 * HOUR) -> Publisher:
    first = First(("sys-libs/glibc", "sys-devel/gcc"), wait) if wait else None
    return Publisher(one.tree, lambda data: SIGNATURE, Terms(86400 * 30, HOUR, first=first), clock=one.clock)


def publish(one: Site, channel: str = "production") -> Published:
    done = one.publish(channel)
    assert isinstance(done, Published)
    return done


def served(one: Site, channel: str = "production") -> set[str]:
    contents = one.tree.contents(one.tree.live(channel))
    for path in contents.entries:
        assert (one.served(channel) / path).is_file()
    return {contents.entry(path).get("CPV") for path in contents.entries}


STABLE = {"sys-libs/glibc-2.38", "app-misc/tool-1"}
FIRST = STABLE | {"sys-libs/glibc-2.39"}
REST = FIRST | {"app-misc/tool-2", "app-misc/data-1"}


def test_the_toolchain_comes_first_and_the_rest_after_the_wait(made: Site) -> None:
    done = publish(made)
    assert served(made) == FIRST
    assert done.waiting is not None
    assert set(done.waiting.packages) == {"app-misc/tool-2-1", "app-misc/data-1-1"}
    assert done.waiting.toolchain == ("sys-libs/glibc-2.39-1",)
    assert done.waiting.until == made.clock.now + 24 * HOUR
    said = done.waiting.text(made.clock.now)
    assert said.startswith("2 packages (such as app-misc/data-1-1) wait until 2027-01-16 08:00 UTC"), said
    made.clock.now = done.waiting.until - 2
    again = publish(made)
    assert (again.release, again.waiting) == (None, done.waiting), "nothing changes before"
    rest = publish(made)
    assert served(made) == REST
    assert rest.waiting is None
    assert "no longer wait: publish or promote again" in done.waiting.text(made.clock.now)


def test_the_files_and_every_form_of_the_first_part_are_right(made: Site) -> None:
    from portage_ext.index.expand import expand
    from portage_ext.releases.contents import parse, read_forms

    publish(made)
    forms = read_forms(made.served())
    contents = parse(forms["Packages"], "Packages")
    assert contents.header["PACKAGES"] == "3" == str(len(contents.entries))
    for form, data in forms.items():
        assert expand(form, data, len(forms["Packages"]), form) == forms["Packages"]


def test_nothing_waits_if_nothing_new_needs_the_new_versions(made: Site) -> None:
    made.pkgdir.remove("app-misc/tool/tool-2-1.gpkg.tar")
    assert publish(made).waiting is None
    assert served(made) == FIRST | {"app-misc/data-1"}
    # But what needs them and is built an hour later waits for the rest of the day.
    made.clock.now += HOUR
    made.pkgdir.add("app-misc/tool-2", SYMBOL_CONTRACT=needs(NEW))
    done = publish(made)
    assert done.waiting is not None
    assert done.waiting.toolchain == ("sys-libs/glibc-2.39-1",)
    assert "app-misc/tool-2" not in served(made)
    made.clock.now = done.waiting.until
    assert publish(made).waiting is None
    assert "app-misc/tool-2" in served(made)


def test_what_is_built_while_others_wait_waits_too_and_is_named(made: Site) -> None:
    publish(made)
    made.pkgdir.add("app-misc/more-1")
    done = publish(made)
    assert done.waiting is not None
    assert "app-misc/more-1-1" in done.waiting.packages
    assert done.beside == ("which packages wait for the toolchain",)
    note = made.tree.note(made.tree.live("production"))
    assert note.waiting == done.waiting
    assert served(made) == FIRST


def test_a_compiler_that_needs_the_new_c_library_comes_after_it(made: Site) -> None:
    gcc = f"2 > x86_64 libc.so.6:{NEW} @ x86_64 /usr/lib/gcc/14 libstdc++.so.6:CXX_9"
    made.pkgdir.add("sys-devel/gcc-14", SYMBOL_CONTRACT=gcc)
    made.pkgdir.add("app-misc/cxx-1", SYMBOL_CONTRACT=needs("CXX_9", soname="libstdc++.so.6"))
    publish(made)
    assert served(made) == FIRST
    made.clock.now += 24 * HOUR
    done = publish(made)
    assert served(made) == FIRST | {"sys-devel/gcc-14"}
    assert done.waiting is not None
    assert done.waiting.toolchain == ("sys-devel/gcc-14-1",)
    made.clock.now += 24 * HOUR
    publish(made)
    assert served(made) == REST | {"sys-devel/gcc-14", "app-misc/cxx-1"}


def test_toolchain_packages_that_need_each_other_come_together(made: Site) -> None:
    made.pkgdir.add(GLIBC.format("2.39"), SYMBOL_CONTRACT=f"{needs('CXX_9', soname='libstdc++.so.6')} < x86_64 libc.so.6:{NEW}")
    made.pkgdir.add("sys-devel/gcc-14", SYMBOL_CONTRACT=f"{needs(NEW)} < x86_64 libstdc++.so.6:CXX_9")
    publish(made)
    assert served(made) == FIRST | {"sys-devel/gcc-14"}


def test_a_package_without_a_contract_may_need_the_new_versions(made: Site) -> None:
    made.pkgdir.remove("app-misc/tool/tool-2-1.gpkg.tar")
    made.pkgdir.add("app-misc/old-1", REQUIRES="x86_64: libc.so.6")
    assert publish(made).waiting is not None
    assert served(made) == FIRST


def test_old_builds_stay_until_the_rest_comes(made: Site) -> None:
    made.pkgdir.remove("app-misc/tool/tool-1-1.gpkg.tar")
    made.pkgdir.remove("sys-libs/glibc/glibc-2.38-1.gpkg.tar")
    publish(made)
    assert served(made) == FIRST
    made.clock.now += 24 * HOUR
    publish(made)
    assert served(made) == REST - STABLE


def test_everything_at_once_if_a_person_says_so_and_at_first(made: Site, tmp_path: Path) -> None:
    publish(made)
    made.publisher = publisher(made, 0)
    assert publish(made).waiting is None
    assert served(made) == REST
    (tmp_path / "other").mkdir()
    fresh = site(tmp_path / "other")
    fresh.publisher = publisher(fresh)
    fresh.pkgdir.add(GLIBC.format("2.39"), SYMBOL_CONTRACT=libc(NEW))
    fresh.pkgdir.add("app-misc/tool-2", SYMBOL_CONTRACT=needs(NEW))
    assert publish(fresh).waiting is None


def test_a_kill_between_the_two_parts_and_in_the_second_loses_nothing(made: Site) -> None:
    publish(made)
    made.clock.now += 24 * HOUR

    class Killed(BaseException):
        pass

    def dies(data: bytes) -> bytes:
        raise Killed

    dying = Publisher(made.tree, dies, Terms(86400 * 30, HOUR, first=First(("sys-libs/*",), HOUR)), clock=made.clock)
    made.pkgdir.write()
    with pytest.raises(Killed):
        dying.publish("production", made.source())
    assert served(made) == FIRST
    # Another publisher, as after a reboot.
    made.publisher = publisher(made)
    publish(made)
    assert served(made) == REST


def test_a_renewal_keeps_what_waits_and_a_rollback_goes_to_the_content_before(made: Site) -> None:
    waiting = publish(made).waiting
    made.publisher.renew("production", force="asked")
    assert made.tree.note(made.tree.live("production")).waiting == waiting
    assert served(made) == FIRST
    made.publisher.rollback("production", by="larry")
    assert served(made) == STABLE
    assert made.tree.note(made.tree.live("production")).waiting is None


def test_a_promotion_waits_too_and_the_rule_of_update_promotes_the_rest(made: Site) -> None:
    plain = publisher(made, 0)
    made.pkgdir.write()
    made.clock.now += 1
    staged = plain.publish("staging", made.source())
    rule = Updating(trial=0)
    assert choose(made.tree, rule, (), made.clock.now).number == staged.number
    done = made.publisher.promote("staging", "production")
    assert served(made) == FIRST
    assert done.waiting is not None
    assert made.tree.note(done.number).origin == f"promoted from staging {staged.number}, the toolchain first"
    assert choose(made.tree, rule, (), made.clock.now).number == staged.number, "the rest is still to be promoted"
    assert made.publisher.promote("staging", "production").release is None
    made.clock.now += 24 * HOUR
    made.publisher.promote("staging", "production")
    assert served(made) == REST
    assert choose(made.tree, rule, (), made.clock.now).number is None


def test_a_rollback_after_a_promotion_in_two_parts_goes_to_all_of_it(made: Site) -> None:
    for version in (3, 4):
        made.pkgdir.write()
        made.clock.now += 1
        publisher(made, 0).publish("staging", made.source())
        made.publisher.promote("staging", "production")
        made.clock.now += 24 * HOUR
        made.publisher.promote("staging", "production")
        made.pkgdir.add(f"app-misc/data-{version}")
    assert served(made) == REST | {"app-misc/data-3"}
    made.publisher.rollback("production", by="larry")
    assert served(made) == REST, "and not to its first part"


def test_a_rollback_from_the_first_part_of_a_promotion_goes_to_the_content_before(made: Site) -> None:
    made.pkgdir.write()
    made.clock.now += 1
    publisher(made, 0).publish("staging", made.source())
    made.publisher.promote("staging", "production")
    assert served(made) == FIRST
    made.publisher.rollback("production", by="larry")
    assert served(made) == STABLE


def test_the_documents_of_a_promotion_are_about_what_it_serves(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.pkgdir.add(GLIBC.format("2.38"), SYMBOL_CONTRACT=libc(OLD))
    one.pkgdir.add("app-misc/tool-1", SYMBOL_CONTRACT=needs(OLD))

    def documented(new: Contents, at: At) -> dict[str, bytes]:
        return {BILL: bill(new), PROVENANCE: provenance.document(new, at, b"", lambda text: None)}

    def staged() -> None:
        one.pkgdir.write()
        one.clock.now += 1
        publisher(one, 0).publish("staging", replace(one.source(), attached=documented))

    staged()
    publisher(one).promote("staging", "production")
    one.pkgdir.add(GLIBC.format("2.39"), SYMBOL_CONTRACT=libc(OLD, NEW))
    one.pkgdir.add("app-misc/tool-2", SYMBOL_CONTRACT=needs(NEW))
    one.pkgdir.remove("app-misc/tool/tool-1-1.gpkg.tar")
    staged()
    assert publisher(one).promote("staging", "production").waiting is not None
    assert served(one) == FIRST
    about = {json.loads(line)["subject"][0]["name"] for line in (one.served() / PROVENANCE).read_bytes().splitlines()}
    assert about == set(one.tree.contents(one.tree.live("production")).entries)
    parts = json.loads((one.served() / BILL).read_bytes())["components"]
    assert len(parts) == 3, parts


def test_indexes_that_cannot_be_joined_are_published_at_once(made: Site) -> None:
    made.pkgdir.write()
    index = made.pkgdir.path / "Packages"
    text = index.read_text()
    for name in ("Packages.gz", "Packages.zst"):
        (made.pkgdir.path / name).unlink()
    index.write_text(f"CHOST: other\n{text}")
    made.clock.now += 1
    assert made.publisher.publish("production", made.source()).waiting is None
    assert served(made) == REST


@pytest.mark.parametrize("waiting", [{"packages": []}, {"packages": 3}, {"packages": ["a"], "until": "soon"}, "text", 7])
def test_a_damaged_note_is_named(made: Site, waiting: object) -> None:
    from portage_ext.errors.releases import TreeError

    note = made.tree.directory(1) / ".release.json"
    values = json.loads(note.read_bytes())
    note.write_text(json.dumps({**values, "waiting": waiting}))
    with pytest.raises(TreeError, match="cannot be read"):
        made.tree.note(1)
