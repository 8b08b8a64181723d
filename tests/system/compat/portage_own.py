"""make test-portage: Portage's own tests of emerge, resolver and dbapi, with the plugin installed and without it.

Some of them fail outside Gentoo by themselves (the wheel lacks their keyring, for one). What counts is that every test has
the same outcome in both. They run as an ordinary user, as Portage's tests want it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.testkit import environments, keys
from tests.testkit.environments import CACHE, Environment
from tests.testkit.requirements import find

SUITES = ("emerge", "resolver", "dbapi")
NOBODY = 65534


def main() -> None:
    """Compare, print the outcome of each side and every difference; exit status 1 when there is one."""
    suites = tuple(sys.argv[1:]) or SUITES
    library = pytest_library()
    plain = run(environments.environment(plugin=False), library, suites)
    plugin = run(environments.environment(plugin=True), library, suites)
    differing = {name for name in plain.keys() | plugin.keys() if plain.get(name) != plugin.get(name)}
    if differing:
        print(f"{len(differing)} differ; both sides run them again, since some depend on the machine's load")
        again = tuple(sorted({name.split("::")[0] for name in differing}))
        plain |= run(environments.environment(plugin=False), library, again)
        plugin |= run(environments.environment(plugin=True), library, again)
        differing = {name for name in differing if plain.get(name) != plugin.get(name)}
    for name in sorted(differing):
        print(f"{name}: {plain.get(name)} without the plugin, {plugin.get(name)} with it")
    print(f"same: {len(plain) - len(differing)} passed, {len(differing)} failed")
    sys.exit(bool(differing))


def pytest_library() -> Path:
    """pytest beside the environments, so that neither of them is changed."""
    library = CACHE / "pytest-library"
    with environments.locked("pytest-library"):
        if not library.is_dir():
            python = environments.environment(plugin=False).python
            partial = CACHE / "pytest-library.partial"
            shutil.rmtree(partial, ignore_errors=True)
            pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "install", "--target", str(partial), "pytest", "pytest-xdist"], check=True)
            partial.rename(library)
    return library


def run(environment: Environment, library: Path, suites: tuple[str, ...]) -> dict[str, str]:
    """Outcome of every test by its name."""
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        (work / "bin").mkdir()
        (work / "bin/gtar").symlink_to(find("tar") or "tar")
        # A copy, because the wheel omits the keyring that nearly every one of the tests wants.
        # It stands where the base Python has its user's packages: the playgrounds start that one, not the environment's.
        copy = work / ".local"
        shutil.copytree(environment.prefix, copy, symlinks=True)
        tests = copy / environment.site_packages.relative_to(environment.prefix) / "portage/tests"
        adapt(tests, work / "key")
        report = work / "report.xml"
        command = [os.path.realpath(copy / "bin/python3"), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"]
        command += ["-c", os.devnull, "-o", "markers=ft: functional", "--rootdir", str(tests), f"--junitxml={report}"]
        variables = dict.fromkeys(("HOME", "TMPDIR"), name) | {
            "LANG": "C.UTF-8",
            "PATH": f"{copy}/bin:{work}/bin:{environment.tools}:/usr/local/bin:/usr/bin:/bin",
            "PORTAGE_OVERRIDE_EPREFIX": str(copy),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(library),
            "USER": "nobody",
        }
        user = NOBODY if os.getuid() == 0 else None
        if user is not None:
            subprocess.run(["chown", "-R", f"{user}:{user}", name], check=True)
        done = subprocess.run(
            [*command, *(str(tests / suite) for suite in suites)],
            cwd=work,
            env=variables,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            sys.exit(f"Portage's tests did not run:\n{done.stdout}{done.stderr}")
        outcomes = read_report(report)
    counts = {outcome: list(outcomes.values()).count(outcome) for outcome in sorted(set(outcomes.values()))}
    print(f"{'with the plugin' if environment.plugin else 'without'}: {counts}", flush=True)
    return outcomes


def read_report(report: Path) -> dict[str, str]:
    """Test, as ``suite/module.py::Class.test``, to its outcome, from pytest's JUnit XML."""
    outcomes = {}
    for case in ET.parse(report).iter("testcase"):
        parts = case.get("classname", "").rpartition("tests.")[2].split(".")
        test = f"{'/'.join(parts[:2])}.py::{'.'.join(parts[2:])}.{case.get('name')}"
        outcomes[test] = case[0].tag if len(case) else "passed"
    return outcomes


def adapt(tests: Path, home: Path) -> None:
    """Give this copy of Portage's tests a signing key in the place of theirs, and the folder where the wheel keeps its sets."""
    key = keys.new_key(home, passphrase="GentooTest")
    keys.kill_agents(home)
    shutil.copytree(home, tests / ".gnupg", ignore=shutil.ignore_patterns("S.*"))
    playground = tests / "resolver/ResolverPlayground.py"
    text = playground.read_text().replace("0x5D90EA06352177F6", f"0x{key.fingerprint}")
    playground.write_text(text.replace('"usr/share/portage/config/sets"', '"share/portage/config/sets"'))


if __name__ == "__main__":
    main()
