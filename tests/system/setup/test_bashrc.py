"""An administrator's own bashrc, and the lines that the installer adds to it, in a real emerge."""

from __future__ import annotations

from pathlib import Path

from portage_ext.model.contract import KEY
from tests.system.setup.machines import Machine
from tests.testkit import ebuilds

# What such files do: options of the shell, functions, hooks, variables for some phases only.
OWN = """\
set -u
shopt -s nullglob
shopt -s failglob
my_helper() { einfo "own helper in ${EBUILD_PHASE}"; }
post_src_install() { my_helper; echo mine > "${ED}"/mine || die; }
pre_pkg_preinst() { my_helper; }
if [[ ${EBUILD_PHASE-} == compile ]]; then
    export OWN_VARIABLE=seen
fi
set +u
shopt -u failglob nullglob
# no line break at the end"""


def test_both_hold_in_a_real_emerge(work: Path) -> None:
    machine = Machine.fresh(work / "a", ebuilds.standard(work / "repo"))
    for place in (machine.root.path, machine.before):
        (place / "etc/portage/bashrc").write_text(OWN)
    machine.setup("--role", "binhost", "--timer", "none").ok()
    built = machine.root.emerge("-1", "app-misc/hello").ok()
    assert "own helper in install" in built.text
    assert "own helper in preinst" in built.text
    assert (machine.root.path / "mine").read_text() == "mine\n"
    assert (machine.root.path / f"var/db/pkg/app-misc/hello-1.1/{KEY}").read_text().startswith("2 ")
    machine.root.emerge("-C", "app-misc/hello").ok()
    machine.setup("--uninstall", "--purge").ok()
    assert machine.differences() == set()
