"""All input of an attempt is put into one directory: the order, and the published packages to merge over the environment first.

::

    DIR/order.json                 builds/orders.Order
    DIR/additions/<blake2b>        a package of the order, as it was published

The directory contains no secret. Beside the environment of the target, a builder needs nothing else.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext import files
from portage_ext.builds.ledger.entries import Attempt, Entry
from portage_ext.builds.orders import Addition, Order
from portage_ext.errors.builds import JobError
from portage_ext.model import GPKG_SUFFIX

if TYPE_CHECKING:
    from portage_ext.builds.means import Means

ORDER: Final = "order.json"
ADDITIONS: Final = "additions"
_BUILD: Final = re.compile(rf"-(\d{{1,9}}){re.escape(GPKG_SUFFIX)}")


def issue(means: Means, attempt: Attempt, directory: Path) -> Order:
    """Create ``directory`` and write the order of ``attempt`` and its packages into it.

    Raises JobError, LedgerError, OSError.
    """
    entry = means.ledger.get(attempt.key)
    place = directory / ADDITIONS
    files.make_directory(place, 0o700)
    needs = means.ledger.needs(entry.key)
    order = Order(entry.key, attempt.fence, entry.target, entry.job, tuple(_addition(one, entry, place) for one in needs))
    (directory / ORDER).write_bytes(order.emit())
    return order


def digest(path: Path) -> str:
    """The BLAKE2B of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.blake2b).hexdigest()


def _addition(one: Entry, entry: Entry, directory: Path) -> Addition:
    path = Path(one.place)
    if one.state != "published" or not path.is_file():
        raise JobError(
            entry.target,
            f"{entry.job.cpv} needs {one.job.cpv}, whose package {one.place or '(none)'} is gone; "
            f"`portage-ext builds retry {one.key[:12]}` builds it again",
        )
    found, build = digest(path), _BUILD.search(path.name)
    try:
        os.link(path, directory / found)
    except FileExistsError:
        pass
    except OSError:  # it is on another file system, so it cannot be linked
        shutil.copyfile(path, directory / found)
    return Addition(one.job.cpv, int(build[1]) if build else 1, found)
