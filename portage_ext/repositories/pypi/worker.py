"""Foreign data is read by this program, which prints the files of the repository as JSON: ``python -I -m … JOB``.

It runs as the sync-user and writes no files. Its parent checks the output and replaces the repository (sync.py).
"""

from __future__ import annotations

import base64
import json
import sys

from portage_ext.errors import PortageExtError
from portage_ext.repositories.pypi.sync import Job
from portage_ext.repositories.pypi.update import update


def main() -> int:
    """Print the files. Returns exit status 0, or 1 with the reason on stderr."""
    try:
        found = update(Job(**json.loads(sys.argv[1])))
    except (PortageExtError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    json.dump({name: base64.b64encode(file.data).decode() for name, file in found.items()}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
