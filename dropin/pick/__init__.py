"""sync-type = pick: a repository of the packages of an overlay that are listed, and what they need; see portage-ext(1).

Portage imports this directory in each of its programs, so whatever goes wrong on our side stays in here.
"""

module_spec = {"name": "pick", "description": __doc__, "provides": {}}

try:
    from portage.sync.modules import git, rsync
    from portage.util import writemsg_level

    _GIT = git.module_spec["provides"]["git-module"]
    _RSYNC = rsync.module_spec["provides"]["rsync-module"]

    class CheckPickConfig(_GIT["validate_config"]):
        """Checks a section of repos.conf, with what Portage checks for an overlay that git fetches."""

        def __init__(self, repo, logger):
            super().__init__(repo, logger)
            self.checks.append("check_pick_type")
            self.checks.append("check_pick_packages")
            self.checks.append("check_pick_seconds")

        def check_pick_type(self):
            value = self.repo.module_specific_options.get("sync-pick-type", "git")
            if value not in ("git", "rsync"):
                self._wrong(f"sync-pick-type is {value!r}, and is one of: git, rsync")

        def check_pick_packages(self):
            value = self.repo.module_specific_options.get("sync-pick-packages", "/")
            if not value.startswith("/"):
                self._wrong(f"sync-pick-packages is {value!r}, and is the whole path of a file or directory")

        def check_pick_seconds(self):
            value = self.repo.module_specific_options.get("sync-pick-seconds", "30")
            if not value.isdecimal() or int(value) == 0:
                self._wrong(f"sync-pick-seconds is {value!r}, and is a whole number of seconds for one ebuild")

        def _wrong(self, why):
            writemsg_level(f"!!! Repository '{self.repo.name}': {why}\n", level=self.logger.ERROR, noiselevel=-1)

    module_spec["provides"]["pick-module"] = {
        "name": "pick",
        "sourcefile": "pick",
        "class": "PickSync",
        "description": __doc__,
        "functions": ["sync"],
        "func_desc": {"sync": "Fetches the overlay, and picks the listed packages from it"},
        "validate_config": CheckPickConfig,
        "module_specific_options": (
            "sync-pick-packages",
            "sync-pick-seconds",
            "sync-pick-shadowing-eclasses",
            "sync-pick-type",
            *_GIT["module_specific_options"],
            *_RSYNC["module_specific_options"],
        ),
    }
except BaseException as error:  # an error that escapes would end every program of Portage
    import contextlib
    import os
    import sys

    if isinstance(error, KeyboardInterrupt):
        raise
    # Child processes of this one would say it again.
    if os.environ.setdefault("PORTAGE_EXT_PICK_SAID", str(os.getpid())) == str(os.getpid()):
        line = f"portage-ext: sync-type pick is off: {type(error).__name__}: {error}\n"
        # There may be no stderr, or one that is full or broken. What print could not write would fail again when Python
        # ends, which then exits with 120.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            os.write(sys.stderr.fileno(), line.encode("utf-8", "backslashreplace"))
