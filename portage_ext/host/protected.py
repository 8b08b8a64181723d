"""Configuration files that a merge has left for a person to merge: ``._cfg0000_NAME`` below CONFIG_PROTECT (emerge(1))."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from portage_ext.host.probe import Expectation, Function

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("portage.util:find_updated_config_files", ("target_root", "config_protect")),
)


def waiting() -> list[Path]:
    """The files that wait to be merged, in order."""
    import shlex

    import portage
    from portage.util import find_updated_config_files

    settings = portage.settings
    protected = shlex.split(settings.get("CONFIG_PROTECT", ""))
    found: set[Path] = set()
    for place, names in find_updated_config_files(settings["EROOT"], protected):
        # Portage names no files where a single file is protected.
        where = Path(place)
        found.update(map(Path, names) if names else where.parent.glob(f"._cfg????_{where.name}"))
    return sorted(found)
