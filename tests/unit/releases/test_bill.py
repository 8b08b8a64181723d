"""The bill of materials names each package of the index with what proves it, and is the same for the same packages."""

from __future__ import annotations

import json

from portage_ext.releases import bill, contents

INDEX = b"""PACKAGES: 2
TIMESTAMP: 1700000000
REPO: tiny

CPV: app-misc/hello-1.0-r1
BLAKE2B: AB
BUILD_ID: 3
DESC: says hello
LICENSE: GPL-2 || ( MIT GPL-2 ) doc? ( FDL )
PATH: app-misc/hello/hello-1.0-r1-3.gpkg.tar
SHA512: cd

CPV: broken
PATH: broken

"""


def test_a_component_has_name_version_digests_licences_and_properties() -> None:
    document = json.loads(bill.bill(contents.parse(INDEX, "x")))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert document["components"] == [
        {
            "type": "application",
            "bom-ref": "app-misc/hello/hello-1.0-r1-3.gpkg.tar",
            "group": "app-misc",
            "name": "hello",
            "version": "1.0-r1",
            "description": "says hello",
            "hashes": [{"alg": "BLAKE2b-512", "content": "ab"}, {"alg": "SHA-512", "content": "cd"}],
            "licenses": [{"license": {"name": name}} for name in ("GPL-2", "MIT", "FDL")],
            "properties": [
                {"name": "gentoo:repo", "value": "tiny"},
                {"name": "gentoo:build_id", "value": "3"},
            ],
        }
    ]


def test_another_time_of_the_same_packages_gives_the_same_bytes() -> None:
    later = INDEX.replace(b"1700000000", b"1800000000")
    assert bill.bill(contents.parse(INDEX, "x")) == bill.bill(contents.parse(later, "x"))
