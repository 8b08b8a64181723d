"""Keys that a Release made valid are fetched from the binhost; what is believed of them is their fingerprint alone.

It is that of a primary key: a mirror may serve a key of its own that claims the announced one as its subkey
(trust/keyfiles.py).
"""

from __future__ import annotations

import os
from dataclasses import replace

from portage_ext import files, limits
from portage_ext.errors.trust import AllMirrorsFailedError, GpgError, KeyFileError
from portage_ext.fetch.binrepo import Binrepo, writable
from portage_ext.fetch.sinks import MemorySink
from portage_ext.trust import keyfiles

KEY_DIRECTORY = "keys"


def key_path(fingerprint: str) -> str:
    """Where a binhost publishes a key, below its base."""
    return f"{KEY_DIRECTORY}/{fingerprint}.asc"


def fetch_announced(binrepo: Binrepo, base: str, fingerprints: frozenset[str]) -> bool:
    """Bring the keys with ``fingerprints`` into the keyring of rotated keys, and let Portage verify with them.

    Returns whether the keyring has become another. A key that cannot be had is a warning: the Releases signed by it will be
    refused by name.
    """
    if not fingerprints or not writable(binrepo.state):
        return False
    ring = binrepo.state.keyring_file
    known = keyfiles.ring(ring)
    changed = False
    for fingerprint in sorted(fingerprints - known.keys()):
        # python-gnupg is slow to import, and a binrepo has rotated keys for a small part of its life.
        from portage_ext.trust import manage

        try:
            key = keyfiles.only([_fetch(binrepo, base, fingerprint)], fingerprint, f"{base}/{key_path(fingerprint)}")
            if os.access(binrepo.settings.portage_home.parent, os.W_OK):
                manage.let_portage_verify(binrepo.settings.portage_home, key, fingerprint)
            binrepo.state.make_directory()
            files.replace_file(ring, keyfiles.joined({**known, fingerprint: key}))
        except (AllMirrorsFailedError, GpgError, KeyFileError) as error:
            binrepo.warn(f"{binrepo.name}: the announced key {fingerprint} could not be had: {error}")
            continue
        known[fingerprint], changed = key, True
    return changed


def _fetch(binrepo: Binrepo, base: str, fingerprint: str) -> bytes:
    sink = MemorySink()
    mirrors = replace(binrepo.mirrors(base, retries=0), report=lambda error: None)
    mirrors.fetch(key_path(fingerprint), limits.MAX_KEY_SIZE, sink)
    return sink.data
