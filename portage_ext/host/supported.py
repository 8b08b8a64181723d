"""May portage-ext be set up for the Portage of this Python? Asked before anything is written, by setup_hooks.sh.

The drop-in must lie in the very directory that emerge imports from, and this Portage must be built as the patches rely on.
"""

from __future__ import annotations

from pathlib import Path

import portage

from portage_ext.errors import UnknownPortageError


def problem() -> str | None:
    """Why emerge would run as without portage-ext; None when it would not."""
    modules = Path(portage.__file__).parent / "sync/modules"
    if not (modules / "portage_ext/__init__.py").is_file():
        return f"{modules} has no portage_ext: portage-ext was installed for another Portage than the one that emerge runs"
    # Before anything that loads the drop-in, which would put its own run_action in the place of Portage's.
    from _emerge import actions

    from portage_ext.host import probe

    try:
        probe.check(actions.run_action)
    except UnknownPortageError as error:
        return str(error)
    return None
