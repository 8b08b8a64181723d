"""The arguments that Portage gives to a sync module are converted to a Job, and its result to messages and an exit status.

Portage is not imported here.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portage_ext import shown
from portage_ext.errors import PortageExtError
from portage_ext.repositories import history
from portage_ext.repositories.pypi import places
from portage_ext.repositories.pypi.sync import Job, told
from portage_ext.repositories.pypi.sync import sync as run
from portage_ext.repositories.user import of_spawn


def job(repo: Any, settings: Any) -> Job:
    """Make the job for ``repo`` (RepoConfig) with ``settings`` (config)."""
    main = settings.repositories.mainRepo()
    # The main repository comes first. If several repositories have a package, most users get the version of this one.
    there = [one for one in (main, *settings.repositories) if one is not None and one.location and one.name != repo.name]
    others = {one.name: one.location for one in there}
    named = repo.module_specific_options.get(places.OPTION)
    root = Path(settings["PORTAGE_CONFIGROOT"])
    return Job(
        name=repo.name,
        location=repo.location,
        index=repo.sync_uri,
        directory=named or str(root / places.DIRECTORY),
        master=main.name if main is not None else "gentoo",
        others=others,
        keyword=f"~{settings.get('ARCH', 'amd64')}",
    )


def sync(repo: Any, settings: Any, spawn_kwargs: Mapping[str, Any] | None) -> tuple[int, bool]:
    """Do the sync. Returns what Portage expects of a sync module: the exit status, and whether the repository changed."""
    eroot, begun = Path(settings["EROOT"]), int(time.time())
    try:
        changed, said = run(job(repo, settings), of_spawn(spawn_kwargs or {}))
        history.succeeded(eroot, repo.name, begun)
    except (PortageExtError, OSError) as error:
        print(f"!!! {repo.name}: {shown.text(str(error))}", file=sys.stderr)
        with contextlib.suppress(OSError):
            history.failed(eroot, repo.name, str(error))
        return 1, False
    for line in told(said):
        print(f">>> {repo.name}: {shown.line(line)}")
    return 0, changed
