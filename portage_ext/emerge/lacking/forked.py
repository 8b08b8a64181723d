"""What a child process of emerge finds out and its parent needs: since Portage 3.0.83 the list is calculated in a child.

The file has no name and is inherited by the child, so that nothing is left behind, whatever is killed.
"""

from __future__ import annotations

import json
import tempfile
from typing import Any

from portage_ext.limits import builds as limits


class Note:
    """One JSON value that this process or a child of it has written last."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="portage-ext.")  # noqa: SIM115 - closed with this object

    def write(self, value: Any) -> None:
        """Replace the value. Raises OSError."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(value).encode())
        self._file.flush()

    def read(self) -> Any:
        """The value; None when there is none. Raises OSError."""
        self._file.seek(0)
        data = self._file.read(limits.WAITING_SIZE)
        return json.loads(data) if data else None
