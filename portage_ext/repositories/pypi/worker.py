"""The part of a sync that reads foreign bytes, as a program: ``python -I -m … JOB`` prints the files of the repository as JSON.

It runs as the sync-user and writes nothing; its parent holds what it prints to its bounds and puts it in place (sync.py).
"""

from __future__ import annotations

import base64
import json
import sys

from portage_ext.errors import PortageExtError
from portage_ext.repositories.pypi.sync import Job
from portage_ext.repositories.pypi.update import update


def main() -> int:
    """Exit status: 0, or 1 with the reason on stderr."""
    try:
        found = update(Job(**json.loads(sys.argv[1])))
    except (PortageExtError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    json.dump({name: base64.b64encode(file.data).decode() for name, file in found.items()}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
