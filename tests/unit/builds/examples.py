"""A job that tests change in one place."""

from __future__ import annotations

from typing import Any

from portage_ext.builds.key import Job


def job(**changed: Any) -> Job:
    values: dict[str, Any] = {
        "cpv": "app-misc/thing-1.0",
        "ebuild": {"cpv": "app-misc/thing-1.0", "slot": "0/0", "repository": "tiny", "EAPI": "8", "ebuild": "a" * 64},
        "use": {"foo": "on", "bar": "off"},
        "variables": {"CFLAGS": "-O2 -march=x86-64-v2", "CHOST": "x86_64-pc-linux-gnu"},
        "dependencies": {
            "dev-libs/libtiny:0": {"cpv": "dev-libs/libtiny-1.0", "slot": "0/1", "build_id": "2", "contents": "b" * 64}
        },
        "toolchain": {"sys-devel/gcc:14": {"cpv": "sys-devel/gcc-14.2", "slot": "14", "build_id": "", "contents": "c" * 64}},
        "distfiles": {"thing-1.0.tar.xz": "d" * 128},
    }
    return Job(**values | changed)
