from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.testkit.binhost import Binhost
from tests.testkit.roots import Root


@pytest.fixture
def binhost_copy(binhost: Binhost) -> Callable[..., None]:
    """Copies packages of the binhost into a client's own PKGDIR, as if they had been built there."""

    def copy(root: Root, *folders: str) -> None:
        for folder in folders:
            shutil.copytree(binhost.pkgdir / folder, root.pkgdir / folder)
        # FEATURES=pkgdir-index-trusted is Portage's default: it does not look for files by itself.
        root.run("emaint", "binhost", "--fix").ok()

    return copy
