"""The ebuild: pkgcheck has nothing to say about it, and real emerge installs what it promises."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from portage_ext.config.swarm import Swarm
from portage_ext.swarm.master import Master
from portage_ext.swarm.register import Register
from tests.system.packaging import gentoo
from tests.testkit import environments
from tests.testkit.daemon import free_port
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.environments import CHECKOUT
from tests.testkit.roots import Root

# The last ones for bash 5.2 (later pkgcore refuses to start without 5.3), with the tree-sitter that they were written for.
PKGCHECK = ["pkgcheck==0.10.34", "pkgcore==0.12.30", "tree-sitter<0.25", "tree-sitter-bash<0.24"]

PATIENCE = 90.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The overlay and its archive, made once."""
    place = tmp_path_factory.mktemp("packaging")
    subprocess.run([str(CHECKOUT / "packaging/make_overlay.sh"), str(place / "overlay"), str(place / "distfiles")], check=True)
    return place


@pytest.fixture
def overlay(work: Path, made: Path) -> EbuildRepository:
    for name in ("overlay", "distfiles"):
        shutil.copytree(made / name, work / name, symlinks=True)
    return EbuildRepository(work / "overlay", "portage-ext")


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

    # Beside ours, one that it has something to say about: each start of pkgcheck takes seconds.
    wrong = shutil.copytree(overlay.location / "app-portage/portage-ext", overlay.location / "app-portage/wrong")
    ebuild = next(wrong.glob("*.ebuild"))
    text = ebuild.read_text().replace('LICENSE="GPL-2+"', 'LICENSE="unheard-of"')
    ebuild.rename(wrong / "wrong-1.ebuild").write_text(text)
    command = [str(work / "venv/bin/python"), "-m", "pkgcheck", "scan", "--exit", "-R", "FormatReporter"]
    command += ["--format", "{package} {version} {name}", "-r", str(overlay.location)]
    variables = {"HOME": str(work), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    said = set(done.stdout.splitlines())
    assert "wrong 1 UnknownLicense" in said, done.stderr
    assert {line for line in said if not line.startswith("wrong ")} == set()


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


def test_portage_resolves_buildbot_with_all_that_its_metadata_names(work: Path, overlay: EbuildRepository) -> None:
    main = gentoo.repository(work / "gentoo")
    root = Root.create(work / "r", environments.environment(plugin=False), [main, overlay], ACCEPT_KEYWORDS="~amd64")
    planned = root.emerge("-p", "dev-util/buildbot", "dev-util/buildbot-worker").ok().text
    assert "dev-util/buildbot-4.3.0" in planned
    assert "dev-util/buildbot-worker-4.3.0" in planned
    python = environments.buildbot() / "bin/python3"
    for name in ("buildbot", "buildbot-worker"):
        ebuild = next(overlay.location.glob(f"dev-util/{name}/*.ebuild")).read_text()
        for need in _needs(python, name):
            assert f"dev-python/{need}" in ebuild, need


def _needs(python: Path, name: str) -> set[str]:
    """What the metadata of a package demands at this version, without extras but tls; in the names of Gentoo."""
    program = (
        "import sys; from importlib.metadata import requires; from packaging.requirements import Requirement as R; "
        "print(*sorted({one.name.lower().replace('.', '-') for one in map(R, requires(sys.argv[1])) "
        "if not one.marker or one.marker.evaluate({'extra': 'tls'})}))"
    )
    done = subprocess.run([str(python), "-c", program, name], capture_output=True, text=True, check=True)
    return {one.replace("_", "-") for one in done.stdout.split()}


@pytest.mark.slow
@pytest.mark.parametrize("implementation", gentoo.IMPLEMENTATIONS)
def test_buildbot_builds_from_its_source_and_runs(work: Path, overlay: EbuildRepository, implementation: str) -> None:
    """The archives come from PyPI, as everything that the tests install; Portage compares them with the Manifest."""
    minor = int(implementation.rpartition("_")[2])
    python = environments.pythons().get(minor)
    if python is None:
        pytest.skip(f"this machine has no Python 3.{minor}")
    builder = environments.programs(f"builder-3.{minor}", ["setuptools>=64", "wheel"], python)
    main = gentoo.repository(work / "gentoo", str(builder / "bin/python3"), f"python_targets_{implementation}")
    distfiles = work / "distfiles"
    names = ("buildbot", "buildbot-worker")
    for name in names:
        fetch = ("-m", "pip", "-q", "download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation")
        command = [str(builder / "bin/python3"), *fetch, f"{name}=={environments.BUILDBOT}", "-d", str(distfiles)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    settings = {"DISTDIR": str(distfiles), "ACCEPT_KEYWORDS": "~amd64"}
    root = Root.create(work / "r", environments.environment(plugin=False), [main, overlay], **settings)
    root.emerge("-1", "--nodeps", "dev-util/buildbot", "dev-util/buildbot-worker").ok()
    assert (root.path / "usr/bin/buildbot").is_file()
    assert (root.path / "usr/bin/buildbot-worker").is_file()

    # What emerge has installed, beside the packages that it needs.
    whole = environments.programs(f"buildbot-3.{minor}", [f"{name}=={environments.BUILDBOT}" for name in names], python)
    prefix = environments.buildbot_beside(work / "buildbot", whole, root.path / f"usr/lib/python3.{minor}/site-packages")
    for name in names:
        said = subprocess.run([str(prefix / "bin" / name), "--version"], capture_output=True, text=True, check=True).stdout
        assert environments.BUILDBOT in said
    register = Register(work / "swarm")
    register.set_up()
    with free_port() as port:
        master = Master(work / "m", Swarm("127.0.0.1", port, buildbot=prefix), register.directory)
        master.start({})
        try:
            # Builders can connect after it answers the coordinator.
            until = time.monotonic() + PATIENCE
            while not is_open(port):
                assert time.monotonic() < until, (work / "m/twistd.log").read_text()[-3000:]
                time.sleep(0.05)
        finally:
            master.stop()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
