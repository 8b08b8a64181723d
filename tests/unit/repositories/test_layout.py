"""A made repository has a name, masters and rules for its packages; it takes no other repository's name."""

from __future__ import annotations

from portage_ext.repositories import layout


def test_the_skeleton_of_a_repository() -> None:
    made = layout.skeleton("guru", ["gentoo", "other"], ["b", "a", "b"], eapi="8")
    assert made["profiles/repo_name"].data == b"guru\n"
    assert made["profiles/categories"].data == b"a\nb\n"
    assert made["profiles/eapi"].data == b"8\n"
    found = layout.parse(made["metadata/layout.conf"].data.decode())
    assert found["masters"] == "gentoo other"
    assert found["cache-formats"] == "md5-dict"


def test_what_an_overlay_says_of_its_packages_is_copied_and_no_other_name() -> None:
    overlay = layout.parse("""
        masters = evil  # a comment
        repo-name = gentoo
        aliases = gentoo
        manifest-hashes = BLAKE2B SHA512
        restrict-allowed = test; rm
        profile-formats = portage-1 pms-of-mine
        thin-manifests = false
    """)
    found = layout.parse(layout.skeleton("guru", [], [], thin=False, overlay=overlay)[layout.LAYOUT].data.decode())
    assert found == {
        "masters": "",
        "thin-manifests": "false",
        "sign-manifests": "false",
        "profile-formats": "portage-1",
        "cache-formats": "md5-dict",
        "manifest-hashes": "BLAKE2B SHA512",
    }
