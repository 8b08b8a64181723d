"""`emerge --sync` of a picked repository fetches the overlay, plans and replaces the repository, and prints a short summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from portage_ext import shown
from portage_ext.errors import PortageExtError
from portage_ext.repositories import confined, history
from portage_ext.repositories.pick import telling
from portage_ext.repositories.pick.making import Picking
from portage_ext.repositories.tree import Tree
from portage_ext.repositories.user import of_spawn


def sync(options: Mapping[str, Any], say: Callable[..., None]) -> tuple[int, bool]:
    """Sync with the ``options`` from Portage. Returns the exit status and whether the repository has changed.

    ``say`` is called with lines for the user. Raises PortageExtError, OSError.
    """

    def told(line: str) -> None:
        say(shown.line(line))

    spawn = options["spawn_kwargs"]
    tree = Tree(options["settings"], options["portdb"], options["repo"])
    picking = Picking(tree, of_spawn(spawn), {**os.environ, **spawn.get("env", {})})
    try:
        listed = picking.listed()
        with picking.locked():
            status = picking.fetch(options)
            if status:
                told("the overlay was not fetched; the repository is as it was")
                history.failed(tree.under_root(), tree.name, "the overlay was not fetched")
                return status, False
            plan = picking.plan(listed)
            changed = picking.take(plan)
    except PortageExtError as error:
        history.failed(tree.under_root(), tree.name, str(error))
        raise
    if (why := confined.lacking()) is not None:
        told(f"ebuilds were read without being kept from the network and the file system, which this kernel refuses ({why})")
    for line in telling.lines(plan, changed=changed):
        told(line)
    return 0, changed
