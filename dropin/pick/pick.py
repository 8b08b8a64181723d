"""What Portage calls to sync a repository of sync-type pick."""

import logging

from portage.sync.syncbase import SyncBase
from portage.util import writemsg_level


class PickSync(SyncBase):
    """Picks the listed packages out of an overlay."""

    short_desc = "Picks listed packages, and what they need, from an overlay"

    @staticmethod
    def name():
        return "PickSync"

    def __init__(self):
        # The program that fetches is looked for by the module of Portage that runs it.
        SyncBase.__init__(self, None, None)

    def sync(self, **kwargs):
        """Returns the exit status, and whether the repository has changed."""
        self._kwargs(kwargs)
        try:
            from portage_ext.repositories.pick import syncing

            return syncing.sync(self.options, self._say)
        except Exception as error:
            if logging.getLogger().isEnabledFor(logging.DEBUG):
                logging.exception("sync-type pick")
            self._say(f"{error or type(error).__name__}" if "portage_ext" in type(error).__module__ else repr(error), True)
            return 1, False

    def _say(self, line, wrong=False):
        if wrong:
            writemsg_level(f"!!! {self.repo.name}: {line}\n", level=logging.ERROR, noiselevel=-1)
        else:
            writemsg_level(f" * {self.repo.name}: {line}\n")
