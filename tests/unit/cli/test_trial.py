"""What `portage-ext trial` says: whether there was anything to install, and how much of it could be installed."""

from __future__ import annotations

from portage_ext.cli.trial import summary
from portage_ext.errors.releases import Finding
from portage_ext.tasks.releasing.trial import Tried


def tried(changed: int, installed: int, *findings: Finding) -> Tried:
    return Tried("staging", 4, 4, changed, installed, findings)


def test_nothing_to_install() -> None:
    assert summary(tried(0, 0), "production") == "production has all of its packages already; nothing was installed"


def test_all_could_be_installed() -> None:
    assert summary(tried(3, 2), "production") == "2 of 3 changed packages installed in a scratch root"
    assert summary(tried(3, 2), None) == "2 of 3 packages installed in a scratch root"


def test_some_could_not_be_installed() -> None:
    said = summary(tried(3, 3, Finding("trial", "a/b-1", "it failed")), "production")
    assert said == "tried to install 3 of 3 changed packages in a scratch root; 1 could not be installed"
