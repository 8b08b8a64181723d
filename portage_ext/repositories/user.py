"""As whom a sync works: Portage's sync-user (or FEATURES=usersync) decides, for the fetch, the reading and the files made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """A user to whom root changes; ``umask`` takes rights from the files that are made."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"
    umask: int = 0o022

    @property
    def is_other(self) -> bool:
        """Whether this process can and must change to this user."""
        return os.geteuid() == 0 and self.uid != 0


def of_spawn(spawn_kwargs: Mapping[str, Any]) -> User:
    """The user for whom Portage prepared the arguments of its own sync modules (SyncManager.pre_sync)."""
    uid, gid = spawn_kwargs.get("uid", os.geteuid()), spawn_kwargs.get("gid", os.getegid())
    env = spawn_kwargs.get("env", {})
    home = env.get("HOME", "/") if isinstance(env, Mapping) else "/"
    return User(uid, gid, tuple(spawn_kwargs.get("groups", ())), home, spawn_kwargs.get("umask", 0o022))
