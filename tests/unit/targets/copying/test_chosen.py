"""Which files may leave a host that is copied: what builds read, and nothing that only some users may read."""

from __future__ import annotations

import pytest

from portage_ext.targets.copying import chosen


@pytest.mark.parametrize("path", ["usr/bin/gcc", "lib64/ld.so", "opt/rust/bin/rustc", "etc/profile.env", "var/db/pkg/a/b/SLOT"])
def test_what_a_listing_may_have(path: str) -> None:
    assert chosen.may_come(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "usr//bin",
        "usr/../root/x",
        "/usr/bin/x",
        "root/.ssh/id",
        "home/me/x",
        "usr/local/bin/x",
        "etc/shadow",
        "srv/x",
        "usr/a\0b",
    ],
)
def test_what_no_listing_may_have(path: str) -> None:
    assert not chosen.may_come(path)


@pytest.mark.parametrize("path", ["etc/ld.so.cache", "etc/env.d/gcc/config", "usr/lib64/gconv/gconv-modules.cache"])
def test_files_that_no_package_owns_and_builds_read(path: str) -> None:
    assert chosen.is_named(path)


@pytest.mark.parametrize("path", ["etc/wpa_supplicant.conf", "etc/ssl/private/key.pem", "etc/ssl/certs/key.key", "usr/bin/own"])
def test_other_files_without_an_owner_stay(path: str) -> None:
    assert not chosen.is_named(path)


def test_the_environment_of_a_build_stays() -> None:
    assert chosen.is_vdb_file("CONTENTS")
    assert chosen.is_vdb_file("thing-1.ebuild")
    assert not chosen.is_vdb_file("environment.bz2")


def test_persons_and_hashes_stay() -> None:
    passwd = b"root:$6$hash:0:0:The Boss:/root:/bin/sh\nportage:x:250:250:portage:/var/tmp:/bin/false\n"
    passwd += b"me:x:1000:1000:Me:/home/me:/bin/sh\n"
    assert chosen.users(passwd) == b"root:x:0:0::/root:/bin/sh\nportage:x:250:250::/var/tmp:/bin/false\n"
    assert chosen.users(b"portage:x:250:portage,me\nme:x:1000:\n") == b"portage:x:250:portage\n"
    assert chosen.users(b"a:x:1:a,me\nodd line\n") == b"a:x:1:a\n"


@pytest.mark.parametrize("data", [b'http_proxy="http://me:pw@proxy/"', b"-----BEGIN RSA PRIVATE KEY-----"])
def test_passwords_and_keys_are_seen(data: bytes) -> None:
    assert chosen.has_secret(data)
    assert not chosen.has_secret(b'PATH="/usr/bin" http://host/?a@b')


def test_where_files_without_an_owner_are_looked_for() -> None:
    assert all(map(chosen.is_walked, ("usr/bin", "usr/lib/gcc/x", "usr/x86_64-pc-linux-gnu/bin", "etc/env.d/gcc")))
    assert not any(map(chosen.is_walked, ("usr", "usr/local/bin", "usr/share", "etc", "usr/src/linux")))
