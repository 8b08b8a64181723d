"""A target, and its document, that tests change in one place."""

from __future__ import annotations

import json
from typing import Any

from portage_ext.model.builder import Builder
from portage_ext.targets.capture import Installed, Repository, Target


def target(**changed: Any) -> Target:
    """A small laptop."""
    values: dict[str, Any] = {
        "builder": Builder(profile="tiny:default/linux/amd64", chost="x86_64-pc-linux-gnu", cflags=("-O2", "-march=x86-64-v2")),
        "taken": 1_700_000_000,
        "use_expand": ("CPU_FLAGS_X86",),
        "make_conf": {"CFLAGS": "-O2 -march=x86-64-v2", "USE": "foo -bar", "CPU_FLAGS_X86": "sse2"},
        "env_files": {"o3": {"CFLAGS": "-O3"}},
        "profiles": ("tiny:base", "tiny:default/linux/amd64"),
        "repositories": (Repository("tiny", "/var/db/repos/tiny", (), 0, "git", "https://example.invalid/t.git", "a" * 40),),
        "files": {"etc/portage/package.use/foo": b"app-misc/foo bar\n", "var/lib/portage/world": b"app-misc/foo\n"},
        "installed": (
            Installed("dev-libs/libtiny-1.0", "0/1", "tiny", "2", "1700000000", "foo", "x86_64-pc-linux-gnu", "0" * 64),
        ),
        "source": "root:/srv/laptop",
        "eprefix": "",
        "emerge": ("/usr/bin/python3", "/usr/lib/portage/bin/emerge"),
    }
    return Target(**values | changed)


def document(**changed: Any) -> bytes:
    """The document of :func:`target` with other values."""
    return json.dumps(json.loads(target().emit()) | changed).encode()
