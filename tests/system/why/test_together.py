"""Reasons together: a package that several of them keep away comes as a binary once all of its remedies are followed."""

from __future__ import annotations

from itertools import product

import pytest

from tests.system.why.asking import why
from tests.system.why.conftest import Site
from tests.testkit import portages

LISTED, FLAG, KEYWORD, LICENCE = "listed", "flag", "keyword", "licence"


@pytest.mark.slow
def test_every_combination_of_what_configuration_can_change(site: Site) -> None:
    # One alone is what test_reasons has; make test plays a pair, the other two of them, and all four.
    whole = portages.every("COMPAT_PORTAGES")
    cases = {
        f"app-misc/p{number}": {word for word, on in zip((LISTED, FLAG, KEYWORD, LICENCE), bits, strict=True) if on}
        for number, bits in enumerate(product((True, False), repeat=4))
        if whole or bits in ((False,) * 4, (True, True, False, False), (False, False, True, True), (True,) * 4)
    }
    for name, bad in cases.items():
        masked = {"KEYWORDS": "~amd64"} if KEYWORD in bad else {}
        masked |= {"LICENSE": "EULA"} if LICENCE in bad else {}
        site.both(f"{name}-1", IUSE="foo")
        site.both(f"{name}-2", IUSE="foo", **masked)
    site.builder.settings["ACCEPT_KEYWORDS"] = "~amd64"
    site.builder.write_settings()
    site.build(*cases, "--jobs=2")
    client = site.client
    client.settings["ACCEPT_LICENSE"] = "GPL-2"
    client.write_settings()
    client.etc("package.env", "".join(f"{name} on\n" for name, bad in cases.items() if LISTED not in bad))
    client.etc("package.use", "".join(f"{name} foo\n" for name, bad in cases.items() if FLAG in bad))

    answer = why(client, *cases)
    for name, bad in cases.items():
        cpv = f"{name}-1" if bad & {KEYWORD, LICENCE} else f"{name}-2"
        wanted = {"unlisted"} if LISTED in bad else set()
        wanted |= {"keywords"} if KEYWORD in bad else set()
        wanted |= {"license"} if LICENCE in bad else set()
        wanted |= {"use"} if FLAG in bad else set()
        if bad:
            assert set(answer.kinds(cpv)) == wanted, name
            answer.follow(cpv)
    assert site.binaries(*cases) == {f"{name}-2" for name in cases}
