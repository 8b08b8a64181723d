"""The man page names every command and every option that the parsers know."""

from __future__ import annotations

import re

from tests.system.commands import parsers
from tests.testkit.environments import CHECKOUT


def test_man_page_has_every_command_and_option() -> None:
    text = re.sub(r"\\f[BIRP]", "", (CHECKOUT / "man/portage-ext.1").read_text()).replace("\\-", "-")
    known = parsers.options()
    commands = {path[0] for path in known if path}
    assert {name for name in commands if not re.search(rf"^\.BR? .*\b{name}\b", text, re.M)} == set()
    names = {name for every in known.values() for name in every}
    assert {name for name in names if not re.search(rf"{name}(?![a-z-])", text)} == set()
