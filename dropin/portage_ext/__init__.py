"""portage-ext's place in Portage: a sync module that syncs nothing.

Portage imports every directory here in each of its programs, which is how portage-ext comes to run without a changed file.
Whatever goes wrong on our side stays here: Portage must behave as if this directory were not there.
"""

module_spec = {
    "name": "portage_ext",
    "description": "Loads portage-ext; see portage-ext(1)",
    "provides": {},
}

try:
    from portage_ext.emerge import seam

    seam.install()
except Exception as error:  # noqa: BLE001 - anything that escapes would kill emerge, an ImportError would corrupt portageq
    import os
    import sys

    # Child processes of this one would say it again.
    if os.environ.setdefault("PORTAGE_EXT_SAID", str(os.getpid())) == str(os.getpid()):
        print(f"portage-ext: not active: {type(error).__name__}: {error}", file=sys.stderr)
