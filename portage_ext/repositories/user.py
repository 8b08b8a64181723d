"""A sync fetches, reads and writes files as the user that Portage's sync-user (or FEATURES=usersync) sets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """The user to which root switches. ``umask`` is applied to new files."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"
    umask: int = 0o022

    @property
    def is_other(self) -> bool:
        """Whether this process can and must switch to this user."""
        return os.geteuid() == 0 and self.uid != 0


def of_spawn(spawn_kwargs: Mapping[str, Any]) -> User:
    """The user in the arguments that Portage prepared for its own sync modules (SyncManager.pre_sync)."""
    uid, gid = spawn_kwargs.get("uid", os.geteuid()), spawn_kwargs.get("gid", os.getegid())
    env = spawn_kwargs.get("env", {})
    home = env.get("HOME", "/") if isinstance(env, Mapping) else "/"
    return User(uid, gid, tuple(spawn_kwargs.get("groups", ())), home, spawn_kwargs.get("umask", 0o022))
