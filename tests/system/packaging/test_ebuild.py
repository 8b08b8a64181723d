"""The ebuild: pkgcheck has nothing to say about it, and real emerge installs what it promises."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.system.packaging import gentoo
from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.environments import CHECKOUT
from tests.testkit.roots import Root

# The last ones for bash 5.2 (later pkgcore refuses to start without 5.3), with the tree-sitter that they were written for.
PKGCHECK = ["pkgcheck==0.10.34", "pkgcore==0.12.30", "tree-sitter<0.25", "tree-sitter-bash<0.24"]


@pytest.fixture
def overlay(work: Path) -> EbuildRepository:
    made = EbuildRepository(work / "overlay", "portage-ext")
    subprocess.run([str(CHECKOUT / "packaging/make_overlay.sh"), str(made.location), str(work / "distfiles")], check=True)
    return made


def test_pkgcheck_has_nothing_to_say(work: Path, overlay: EbuildRepository) -> None:
    main = gentoo.repository(work / "gentoo")
    # pkgcore takes the etc/portage that lies above the prefix of its Python.
    (work / "venv").symlink_to(environments.programs("pkgcheck", PKGCHECK))
    configuration = work / "etc/portage"
    configuration.mkdir(parents=True)
    (configuration / "make.conf").touch()
    (configuration / "make.profile").symlink_to(main.location / "profiles/default/linux/amd64")
    repositories = "".join(f"[{one.name}]\nlocation = {one.location}\n" for one in (main, overlay))
    (configuration / "repos.conf").write_text(f"[DEFAULT]\nmain-repo = gentoo\n{repositories}")

    def scan() -> str:
        command = [str(work / "venv/bin/python"), "-m", "pkgcheck", "scan", "--exit", "-r", str(overlay.location)]
        done = subprocess.run(
            command, env={"HOME": str(work), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
        )
        return f"{done.returncode}{done.stdout}{done.stderr}"

    assert scan() == "0"
    ebuild = next(overlay.location.rglob("*.ebuild"))
    ebuild.write_text(ebuild.read_text().replace('LICENSE="GPL-2+"', 'LICENSE="unheard-of"'))
    assert "UnknownLicense" in scan()


def test_emerge_installs_it(work: Path, overlay: EbuildRepository) -> None:
    main = gentoo.repository(work / "gentoo")
    settings = {"DISTDIR": str(work / "distfiles"), "ACCEPT_KEYWORDS": "~amd64"}
    root = Root.create(work / "r", environments.environment(plugin=False), [main, overlay], **settings)
    # Completions are made by importing the package, whose dependencies the environment with the plugin has.
    prefixes = (environments.programs("builder", ["setuptools>=64", "wheel"]), environments.environment().prefix)
    libraries = ":".join(str(next(prefix.glob("lib/python3*/site-packages"))) for prefix in prefixes)
    built = root.emerge("-1", "--nodeps", "app-portage/portage-ext", PYTHONPATH=libraries).ok()
    assert "Nothing is changed below /etc until you run portage-ext setup" in built.text
    site = next((root.path / "usr/lib").glob("python3*/site-packages"))
    assert (site / "portage/sync/modules/portage_ext/__init__.py").is_file()
    assert (site / "portage_ext/cli/main.py").is_file()
    share = root.path / "usr/share"
    for name in ("portage-ext", "olm"):
        assert "COMPREPLY" in (share / f"bash-completion/completions/{name}").read_text()
        assert f"complete -c {name}" in (share / f"fish/vendor_completions.d/{name}.fish").read_text()
    assert (share / "zsh/site-functions/_portage-ext").read_text().startswith("#compdef")
    for name in ("builder", "coordinator", "door"):
        assert "ExecStart=" in (root.path / f"usr/lib/systemd/system/portage-ext-{name}.service").read_text()
        assert "supervise-daemon" in (root.path / f"etc/init.d/portage-ext-{name}").read_text()
    assert list((share / "man/man1").glob("portage-ext.1*"))
    # In the Python of this test, which finds it and its dependencies there.
    paths = f"{site}:{libraries}"
    command = str(root.path / "usr/bin/portage-ext")
    helped = root.run("python3", "-P", command, "setup", "--help", PYTHONPATH=paths).ok()
    assert "--role client|binhost|both" in helped.stdout
    assert not (root.path / "etc/portage/portage-ext.toml").exists()
    words = ("setup", "--role", "binhost", "--dry-run", "--root", str(root.path))
    listing = root.run("python3", "-P", command, *words, PYTHONPATH=paths).ok()
    assert f"create   {root.path}/etc/portage/portage-ext.toml" in listing.stdout


def test_same_checkout_same_tarball(work: Path, overlay: EbuildRepository) -> None:
    subprocess.run([str(CHECKOUT / "packaging/make_overlay.sh"), str(work / "again"), str(work / "again.dist")], check=True)
    first, again = (work / name / "app-portage/portage-ext/Manifest" for name in ("overlay", "again"))
    assert first.read_text() == again.read_text()
