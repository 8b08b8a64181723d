"""Keys that a Release made valid are fetched from the binhost; what is believed of them is their fingerprint alone.

It is that of a primary key: a mirror may serve a key of its own that claims the announced one as its subkey
(trust/keyfiles.py).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from portage_ext import files, limits
from portage_ext.errors.trust import AllMirrorsFailedError, GpgError, KeyFileError
from portage_ext.fetch.binrepo import Binrepo, writable
from portage_ext.fetch.sinks import MemorySink
from portage_ext.trust import keyfiles

KEY_DIRECTORY = "keys"


def key_path(fingerprint: str) -> str:
    """Where a binhost publishes a key, below its base."""
    return f"{KEY_DIRECTORY}/{fingerprint}.asc"


def fetch_announced(binrepo: Binrepo, base: str, fingerprints: frozenset[str], *, again: bool = False) -> bool:
    """Bring the keys with ``fingerprints`` into the keyring of rotated keys, and let Portage verify with them.

    A key that is there is not fetched, unless ``again``: its owner may have prolonged it, or given it another subkey. It may be
    a pinned one then. Returns whether the keyring has become another. A key that cannot be fetched is a warning: the Releases
    signed by it will be refused by name.
    """
    if not fingerprints or not writable(binrepo.state):
        return False
    ring = binrepo.state.keyring_file
    known, pinned = keyfiles.ring(ring), keyfiles.ring(binrepo.trust.keyring_file(binrepo.name))
    changed = False
    for fingerprint in sorted(fingerprints if again else fingerprints - known.keys()):
        # python-gnupg is slow to import, and a binrepo has rotated keys for a small part of its life.
        from portage_ext.trust import manage

        here = [of[fingerprint] for of in (known, pinned) if fingerprint in of]
        try:
            pieces = [*here, _fetch(binrepo, base, fingerprint)]
            key = keyfiles.only(pieces, fingerprint, f"{base}/{key_path(fingerprint)}")
            if key == known.get(fingerprint):
                continue
            if os.access(binrepo.settings.portage_home.parent, os.W_OK):
                manage.let_portage_verify(binrepo.settings.portage_home, key, fingerprint)
            binrepo.state.make_directory()
            files.replace_file(ring, keyfiles.joined({**known, fingerprint: key}))
        except (AllMirrorsFailedError, GpgError, KeyFileError, OSError) as error:
            # That a key which is here is not there does not explain anything: the Release that is refused does.
            if not (here and isinstance(error, AllMirrorsFailedError)):
                binrepo.warn(f"{binrepo.name}: the key {fingerprint} cannot be fetched and kept: {error}")
            continue
        known[fingerprint], changed = key, True
    return changed


def look_again(binrepo: Binrepo, base: str, fingerprints: frozenset[str], ring: Path) -> bool:
    """As :func:`fetch_announced` with ``again``, for a look that leaves nothing: the keys are in ``ring`` alone.

    Returns whether one of them is another than this host knows.
    """
    kept = [binrepo.state.keyring_file, binrepo.trust.keyring_file(binrepo.name)]
    rings = [keyfiles.ring(path) for path in kept]
    found: dict[str, bytes] = {}
    for fingerprint in sorted(fingerprints):
        here = [of[fingerprint] for of in rings if fingerprint in of]
        try:
            pieces = [*here, _fetch(binrepo, base, fingerprint)]
            key = keyfiles.only(pieces, fingerprint, f"{base}/{key_path(fingerprint)}")
        except (AllMirrorsFailedError, KeyFileError):
            # The Release that is refused without it says so.
            continue
        if key not in here:
            found[fingerprint] = key
    files.replace_file(ring, keyfiles.joined(found))
    return bool(found)


def _fetch(binrepo: Binrepo, base: str, fingerprint: str) -> bytes:
    sink = MemorySink()
    mirrors = replace(binrepo.mirrors(base, retries=0), report=lambda error: None)
    mirrors.fetch(key_path(fingerprint), limits.MAX_KEY_SIZE, sink)
    return sink.data
