"""How portage-ext gets into Portage: a sync module that syncs nothing.

Each Portage program imports all sync modules. So portage-ext runs without a changed file of Portage. No error of portage-ext
leaves this module: Portage must behave as if this directory did not exist.
"""

module_spec = {
    "name": "portage_ext",
    "description": "Loads portage-ext; see portage-ext(1)",
    "provides": {},
}

try:
    from portage_ext.emerge import seam

    seam.install()
except BaseException as error:  # any exception would end emerge, and an ImportError portageq; SystemExit even with its status
    import contextlib
    import os
    import sys

    if isinstance(error, KeyboardInterrupt):
        raise
    # Child processes must not print it again.
    if os.environ.setdefault("PORTAGE_EXT_SAID", str(os.getpid())) == str(os.getpid()):
        line = f"portage-ext: not active: {type(error).__name__}: {error}\n"
        # There may be no stderr, or one that is full or broken. What print could not write would fail again when Python
        # ends, which then exits with 120.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            os.write(sys.stderr.fileno(), line.encode("utf-8", "backslashreplace"))
