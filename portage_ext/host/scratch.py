"""Real emerge merges packages of a release into a scratch root, which is removed afterwards.

emerge gets its own PKGDIR with only these packages, so it does not write to the release or to this host's PKGDIR, log or
world file. Each package is merged alone (--nodeps), because the gate `closure` checks dependencies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors.releases import GateUnavailableError
from portage_ext.model import IndexEntry
from portage_ext.releases.linking import place_all

_FEATURES: Final = "-getbinpkg -buildpkg -buildsyspkg -news -merge-sync pkgdir-index-trusted"
_TOLD: Final = 15
"""How many of emerge's last lines are shown."""


def merge_into_scratch(directory: Path, index: bytes, entries: tuple[IndexEntry, ...]) -> Iterator[tuple[str, str]]:
    """Merge ``entries``, one emerge each. Yields failures with emerge's last lines. Raises GateUnavailableError, OSError."""
    emerge = shutil.which("emerge")
    if emerge is None:
        raise GateUnavailableError("install", "there is no emerge on PATH")
    import portage

    with tempfile.TemporaryDirectory(prefix="portage-ext.install.") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        pkgdir, root, logs = scratch / "binpkgs", scratch / "root", scratch / "log"
        for one in (pkgdir, root / portage.settings["EPREFIX"].lstrip("/"), logs, scratch / "tmp"):
            one.mkdir(parents=True, exist_ok=True)
        (pkgdir / "Packages").write_bytes(index)
        place_all(((str(directory), entry.path, entry.path) for entry in entries), str(pkgdir))
        environment = {
            **os.environ,
            "EMERGE_LOG_DIR": str(logs),
            "FEATURES": f"{os.environ.get('FEATURES', '')} {_FEATURES}".strip(),
            "PKGDIR": str(pkgdir),
            "PORTAGE_BINHOST": "",
            "PORTAGE_LOGDIR": str(logs),
            "PORTAGE_TMPDIR": str(scratch / "tmp"),
        }
        options = ("--ignore-default-opts", "--oneshot", "--nodeps", "--usepkgonly", "--quiet", "--color=n", f"--root={root}")
        for entry in entries:
            try:
                done = subprocess.run(
                    [emerge, *options, f"={entry.cpv}"],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=limits.INSTALL_TEST_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                yield str(entry.cpv), f"was not merged within {limits.INSTALL_TEST_SECONDS:g} s"
                continue
            installed = list(
                (root / portage.settings["EPREFIX"].lstrip("/") / "var/db/pkg" / entry.cpv.category).glob(entry.cpv.pf)
            )
            if done.returncode or not installed:
                words = done.stdout.decode("utf-8", "replace").rstrip().split("\n")[-_TOLD:]
                yield str(entry.cpv), "emerge could not merge it:\n    " + "\n    ".join(words)
