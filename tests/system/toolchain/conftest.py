from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.toolchain.portages import EVERY_PORTAGE
from tests.testkit import chain as kit
from tests.testkit import httpd
from tests.testkit.chain import Chain
from tests.testkit.environments import NEWEST, SUPPORTED
from tests.testkit.roots import Root


@pytest.fixture(scope="session")
def chain() -> Chain:
    """The binhost with contracts and the system that lags behind it. Read only."""
    return kit.built()


@pytest.fixture(scope="session")
def url(chain: Chain) -> Iterator[str]:
    with httpd.serve(chain.pkgdir) as running:
        yield running.url


@pytest.fixture(params=SUPPORTED if EVERY_PORTAGE else [NEWEST])
def portage(request: pytest.FixtureRequest) -> str:
    """The version of Portage that a scenario is played with; ``make test-toolchain`` plays every one with each."""
    return str(request.param)


@pytest.fixture
def system(work: Path, chain: Chain, url: str, portage: str) -> Callable[..., Root]:
    """Makes a client of the binhost: ``system(name, **as kit.client)``."""

    def make(name: str = "s", **arguments: Any) -> Root:
        return kit.client(work / name, chain, arguments.pop("url", url), **{"version": portage, **arguments})

    return make
