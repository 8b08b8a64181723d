"""``sync-type = pypi`` for Portage: a repository of ebuilds made from a Python index; see portage-ext(1).

Portage imports every directory here in each of its programs. Whatever goes wrong on our side stays here: without what it
needs this module offers nothing, and Portage says of a repository with this type that it does not know it.
"""

_DESCRIPTION = "Ebuilds made from what a Python index publishes; see portage-ext(1)"

module_spec = {"name": "pypi", "description": _DESCRIPTION, "provides": {}}

try:
    from portage.sync.config_checks import CheckSyncConfig

    module_spec["provides"] = {
        "pypi-module": {
            "name": "pypi",
            "sourcefile": "pypi",
            "class": "PypiSync",
            "description": _DESCRIPTION,
            "functions": ["sync", "new", "exists", "retrieve_head"],
            "func_desc": {
                "sync": "Brings the repository up to date",
                "new": "Makes the repository",
                "exists": "Tells if the repository is there",
                "retrieve_head": "Tells which state the repository has",
            },
            "validate_config": CheckSyncConfig,
            "module_specific_options": ("sync-pypi-config",),
        }
    }
except BaseException as error:  # an error that escapes would end every program of Portage
    import contextlib
    import os
    import sys

    if isinstance(error, KeyboardInterrupt):
        raise
    # Child processes of this one would say it again.
    if os.environ.setdefault("PORTAGE_EXT_PYPI_SAID", str(os.getpid())) == str(os.getpid()):
        line = f"portage-ext: sync-type pypi is off: {type(error).__name__}: {error}\n"
        # There may be no stderr, or one that is full or broken. What print could not write would fail again when Python
        # ends, which then exits with 120.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            os.write(sys.stderr.fileno(), line.encode("utf-8", "backslashreplace"))
