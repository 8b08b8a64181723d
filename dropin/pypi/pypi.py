"""The class that Portage calls for ``sync-type = pypi``: it hands over values, prints what came of it, and fails as
a sync fails."""

import os

from portage.sync.syncbase import SyncBase
from portage.util import writemsg_level


class PypiSync(SyncBase):
    """Makes a repository of ebuilds from a Python index."""

    short_desc = "Make ebuilds from a Python index"

    @staticmethod
    def name():
        return "PypiSync"

    def __init__(self):
        SyncBase.__init__(self, None, None)

    @property
    def has_bin(self):
        return True

    def sync(self, **kwargs):
        """Exit status, and whether the repository changed."""
        if kwargs:
            self._kwargs(kwargs)
        try:
            from portage_ext.repositories.pypi import portage_side

            return portage_side.sync(self.repo, self.settings, self.spawn_kwargs)
        except Exception as error:  # noqa: BLE001 (a defect of ours is a sync that failed, of this repository alone)
            writemsg_level(f"!!! portage-ext: {type(error).__name__}: {error}\n", level=40, noiselevel=-1)
            return (1, False)

    def new(self, **kwargs):
        return self.sync(**kwargs)

    def retrieve_head(self, **kwargs):
        """The digest of the lock file: it changes when a version does."""
        if kwargs:
            self._kwargs(kwargs)
        import hashlib

        try:
            with open(os.path.join(self.repo.location, "metadata/pypi.lock"), "rb") as file:
                return (os.EX_OK, hashlib.sha256(file.read()).hexdigest())
        except OSError:
            return (1, False)
