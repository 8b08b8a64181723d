"""`portage-ext setup` finds the installer wherever it was installed, and is nothing but it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import portage_ext
from tests.testkit.environments import CHECKOUT


def installed(where: Path, *, record: str = "") -> Path:
    """A directory of Python packages as pip leaves it: this package, and what RECORD lists. The package is a link here."""
    site = where / "lib/site-packages"
    site.mkdir(parents=True)
    (site / "portage_ext").symlink_to(Path(portage_ext.__file__).parent)
    if record:
        about = site / "portage_ext-0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: portage-ext\nVersion: 0\n")
        (about / "RECORD").write_text(f"{record},,\n")
    return site


def setup(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "portage_ext.cli.main", "setup", *words]
    environment = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_installer_of_the_installed_files_gets_every_word_and_its_status_counts(tmp_path: Path) -> None:
    site = installed(tmp_path, record="../../share/portage-ext/setup_hooks.sh")
    script = tmp_path / "share/portage-ext/setup_hooks.sh"
    script.parent.mkdir(parents=True)
    script.write_text("printf '<%s>' \"$@\"; exit 3\n")
    done = setup(site, "--role", "client", "--yes", "--", "-h", "a b", "--version")
    assert (done.stdout, done.returncode) == ("<--role><client><--yes><--><-h><a b><--version>", 3)


def test_the_installer_is_told_which_program_was_started(tmp_path: Path) -> None:
    site = installed(tmp_path, record="../../share/portage-ext/setup_hooks.sh")
    script = tmp_path / "share/portage-ext/setup_hooks.sh"
    script.parent.mkdir(parents=True)
    script.write_text('printf "<%s>" "${PORTAGE_EXT_PROGRAM-}"\n')
    said = {}
    for where in ("a b/bin", "usr/lib/python-exec/python3.12"):
        program = tmp_path / where / "portage-ext"
        program.parent.mkdir(parents=True)
        program.write_text("import sys\nfrom portage_ext.cli.main import main\nsys.exit(main())\n")
        environment = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-P", "./portage-ext", "setup"]
        done = subprocess.run(command, cwd=program.parent, env=environment, capture_output=True, text=True, check=False)
        said[where] = done.stdout
    assert said == {"a b/bin": f"<{tmp_path}/a b/bin/portage-ext>", "usr/lib/python-exec/python3.12": "<>"}
    assert setup(site).stdout == "<>"


def test_without_an_installer_one_line_says_so(tmp_path: Path) -> None:
    for site in (installed(tmp_path / "a"), installed(tmp_path / "b", record="../../share/portage-ext/setup_hooks.sh")):
        done = setup(site, "--status")
        assert (done.stdout, done.returncode) == ("", 1)
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"portage-ext setup: cannot find the installer setup_hooks.sh: it is neither in {site}")


def test_the_installer_of_the_checkout_has_the_last_word_on_its_options() -> None:
    done = setup(CHECKOUT, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: portage-ext setup --role client|binhost|both")
    refused = setup(CHECKOUT, "--rolle", "client")
    assert (refused.returncode, refused.stderr) == (
        2,
        "portage-ext setup: there is no option --rolle; see portage-ext setup --help\n",
    )
