"""Random configurations: what is on for a package is what Portage itself has in FEATURES after setcpv."""

from __future__ import annotations

import json

from tests.testkit.roots import Root

# Runs inside the client's own Python, beside its Portage. Prints the number of comparisons, or the first difference.
# setcpv forgets the repository of a package that is given as text; ::repo is compared in real emerge (test_atoms).
COMPARE = r"""
import json, os, random, shutil, sys
import portage
from portage.versions import _pkg_str
from portage_ext.emerge.whitelist import Whitelist
from portage_ext.policy.getbinpkg import Run, effect

root, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
etc = os.path.join(root, "etc/portage")
CONF = open(os.path.join(etc, "make.conf")).read()
ENV = {
    "on": "getbinpkg", "off": "-getbinpkg", "clear": "-*", "again": "-* getbinpkg", "other": "nostrip", "var": "${X}",
    "flip": "getbinpkg -getbinpkg",
}
ATOMS = [
    "app-misc/hello", "=app-misc/hello-1.1", ">=app-misc/hello-1.0", "<app-misc/hello-1.1", "=app-misc/hello-1*", "app-misc/*",
    "*/*", "*/hello", "app-misc/slotted:1", "app-misc/slotted:2/5", "app-misc/slotted", "app-misc/hello::tiny", "*/*::tiny",
    "kde-*/*",
]
PACKAGES = [
    ("app-misc/hello-1.1", "0"), ("app-misc/hello-1.0", "0"), ("app-misc/slotted-1.5", "1/5"), ("app-misc/slotted-2.5", "2/5"),
    ("kde-apps/alpha-24.1", "0"),
]
for name, value in ENV.items():
    with open(os.path.join(etc, "env", name), "w") as f:
        f.write('FEATURES="%s"\n' % value)
count = 0
for _ in range(rounds):
    lines = [
        " ".join([random.choice(ATOMS), *random.choices(list(ENV), k=random.randint(1, 3))])
        for _ in range(random.randint(0, 6))
    ]
    glob = random.choice(["", "", "getbinpkg", "-getbinpkg"])
    with open(os.path.join(etc, "package.env"), "w") as f:
        f.write("\n".join(lines) + "\n")
    with open(os.path.join(etc, "make.conf"), "w") as f:
        f.write(CONF + 'X="%s"\nFEATURES="${FEATURES} %s"\n' % (random.choice(["getbinpkg", "-getbinpkg", ""]), glob))
    environment = dict(os.environ)
    said = random.choice([None, None, "-getbinpkg"])
    if said:
        environment["FEATURES"] = said
    settings = portage.config(config_root=root, target_root=root, eprefix="", env=environment)
    run = Run("getbinpkg" in settings.features, effect((said or "").split()) is False)
    whitelist = Whitelist(settings, run)
    theirs = portage.config(clone=settings)
    for cpv, slot in PACKAGES:
        metadata = dict.fromkeys(("IUSE", "KEYWORDS", "PROPERTIES", "RESTRICT"), "")
        metadata.update(SLOT=slot, repository="tiny", EAPI="8")
        pkg = _pkg_str(cpv, metadata=metadata, settings=settings)
        theirs.setcpv(pkg, mydb=metadata)
        expected, got = "getbinpkg" in theirs.features, whitelist.is_on(pkg)
        # What the coarse look at names would leave out must be off, or as the whole run is.
        listed = any(name == pkg.cp or "*" in name for name in whitelist.listed)
        count += 1
        if got != expected or (got != run.on and not listed):
            print(cpv, expected, got, sorted(whitelist.listed), lines, glob, said)
            sys.exit(1)
print(json.dumps(count))
"""


def test_on_is_what_portage_has_in_features(client: Root) -> None:
    script = client.path / "compare.py"
    script.write_text(COMPARE)
    run = client.run("python3", str(script), str(client.path), "20261120", "150").ok()
    assert json.loads(run.stdout) == 750
