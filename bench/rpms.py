"""Makes as many rpms of the same size, for createrepo_c to stand in the same table.

rpmbuild makes a thousand at once, as sub-packages; more are copies of these under other names, which createrepo_c reads and
hashes like any others. usage: python -m bench.rpms DIRECTORY COUNT
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_AT_ONCE = 1000


def build(directory: Path, count: int) -> None:
    chance = random.Random(1)
    numbers = range(min(count, _AT_ONCE))
    parts = ["Name: bench\nVersion: 1\nRelease: 1\nSummary: bench\nLicense: GPL\nBuildArch: noarch\n%description\nbench\n"]
    parts += [
        f"%package p{n}\nSummary: package {n}\nProvides: lib{n}\nRequires: lib{n + 1}\n%description p{n}\ntext\n"
        for n in numbers
    ]
    parts += ["%install\nmkdir -p %{buildroot}/usr/share\ncp -a %{_sourcedir}/* %{buildroot}/usr/share/\n"]
    parts += [f"%files p{n}\n/usr/share/p{n}\n" for n in numbers]
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        (top / "SOURCES").mkdir()
        for n in numbers:
            (top / "SOURCES" / f"p{n}").write_bytes(chance.randbytes(max(500, int(chance.lognormvariate(10.9, 0.6)))))
        (top / "bench.spec").write_text("\n".join(parts))
        define = ["--define", f"_topdir {top}", "--define", "_binary_payload w0.gzdio", "--define", "__os_install_post %{nil}"]
        subprocess.run(["rpmbuild", "-bb", "--quiet", *define, str(top / "bench.spec")], check=True, capture_output=True)
        made = sorted((top / "RPMS").rglob("*.rpm"))
        directory.mkdir(parents=True)
        for number in range(count):
            shutil.copy(made[number % len(made)], directory / f"{number}-{made[number % len(made)].name}")


if __name__ == "__main__":
    build(Path(sys.argv[1]), int(sys.argv[2]))
