"""What is known of the installer's options, and its help."""

from __future__ import annotations

from portage_ext.cli.setup import installer_options
from tests.testkit.environments import CHECKOUT


def test_completion_knows_every_option_that_the_installer_reads() -> None:
    known = {one.name: one for one in installer_options()}
    text = (CHECKOUT / "setup_hooks.sh").read_text()
    reads = text.partition("read_options() {")[2].partition("\n}")[0]
    assert set(known) == {word.strip(")|\\ ") for word in reads.split() if word.startswith("--")} - {"--help"}
    assert known["--role"].takes_value
    assert not known["--purge"].takes_value
    assert known["--purge"].help.endswith("and a signing key made here")  # the second line of its help


def test_the_help_of_the_installer_fits_a_terminal() -> None:
    script = (CHECKOUT / "setup_hooks.sh").read_text()
    text = script.partition("<<'END'\n")[2].partition("\nEND\n")[0]
    assert text.startswith("usage: portage-ext setup")
    assert [line for line in text.splitlines() if len(line) > 80] == []
