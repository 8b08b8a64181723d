"""What may leave a host: everything that decides a build, and nothing that is secret or leads elsewhere."""

from __future__ import annotations

import pytest

from portage_ext.targets import allowed


@pytest.mark.parametrize(
    "path",
    [
        "etc/portage/package.use",
        "etc/portage/package.use/desktop/foo",
        "etc/portage/package.accept_keywords/zz-auto",
        "etc/portage/package.use.mask",
        "etc/portage/patches/app-misc/foo-1.0/fix.patch",
        "etc/portage/patches/sys-libs/glibc:2.2/fix.patch",
        "etc/portage/profile/package.provided",
        "etc/portage/env/app-misc/foo",
        "etc/portage/bashrc",
        "etc/portage/sets/mine",
        "etc/portage/savedconfig/sys-apps/busybox",
        "var/lib/portage/world",
        "var/lib/portage/world_sets",
    ],
)
def test_what_decides_a_build_leaves(path: str) -> None:
    assert allowed.is_allowed(path)


@pytest.mark.parametrize(
    "path",
    [
        "etc/portage/make.conf",
        "etc/portage/binrepos.conf",
        "etc/portage/repos.conf/gentoo.conf",
        "etc/portage/gnupg/secring.gpg",
        "etc/portage/portage-ext.toml",
        "etc/portage/postsync.d/push",
        "etc/portage/repo.postsync.d/egencache",
        "etc/portage/package.use/../../shadow",
        "etc/portage/package.use/.git/config",
        "etc/portage/package.use/a\nb",
        "etc/portage/package.use//a",
        "etc/portage/package.users",
        "/etc/portage/package.use",
        "etc/ssh/ssh_host_ed25519_key",
        "var/lib/portage/world/../../../etc/shadow",
        "var/lib/portage/world\n",
        "etc/portage/env/o3",
        "etc/portage/sets.conf.bak",
        "etc/portage/package.use/" + "a/" * 9 + "b",
        "etc/portage/patches/" + "x" * 600,
    ],
)
def test_nothing_else_leaves(path: str) -> None:
    assert not allowed.is_allowed(path)


def test_variables_are_an_allow_list_with_use_expand() -> None:
    values = {
        "CFLAGS": "-O2",
        "CPU_FLAGS_X86": "sse2",
        "FETCHCOMMAND": "wget --password=secret",
        "EXTRA_ECONF": "--with-proxy=http://me:secret@proxy/",
        "GENTOO_MIRRORS": "https://me:secret@mirror/",
        "MAKEOPTS": "-j9",
        "http_proxy": "http://me:secret@proxy/",
    }
    assert allowed.variables(values, ("CPU_FLAGS_X86", "fetchcommand")) == {"CFLAGS": "-O2", "CPU_FLAGS_X86": "sse2"}
