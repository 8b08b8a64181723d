"""Keys that a Release announced are fetched from the binhost, and are accepted only if the fingerprint matches.

The fingerprint must be that of the primary key, because a mirror could serve a key of its own that claims the announced key as
its subkey (trust/keyfiles.py).
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
from portage_ext.trust.keyfiles import key_path


def fetch_announced(binrepo: Binrepo, base: str, fingerprints: frozenset[str], *, again: bool = False) -> bool:
    """Fetch the keys with ``fingerprints`` into the keyring of rotated keys, and let Portage verify with them.

    A key that this host has is fetched only with ``again``, also if it is pinned: its owner may have extended its expiry or
    added a subkey. Returns whether the keyring has changed. If a key cannot be fetched, there is only a warning here; Releases
    signed by it will be refused with an error that names the key.
    """
    if not fingerprints or not writable(binrepo.state):
        return False
    ring = binrepo.state.keyring_file
    known, pinned = keyfiles.ring(ring), keyfiles.ring(binrepo.trust.keyring_file(binrepo.name))
    changed = False
    for fingerprint in sorted(fingerprints if again else fingerprints - known.keys()):
        # Imported here, because python-gnupg is slow to import and keys are rarely rotated.
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
            # No warning if this host has the key and only the binhost lacks it: the error for the refused Release says more.
            if not (here and isinstance(error, AllMirrorsFailedError)):
                binrepo.warn(f"{binrepo.name}: the key {fingerprint} cannot be fetched and kept: {error}")
            continue
        known[fingerprint], changed = key, True
    return changed


def look_again(binrepo: Binrepo, base: str, fingerprints: frozenset[str], ring: Path) -> bool:
    """Like :func:`fetch_announced` with ``again``, but writes the keys only to the temporary keyring ``ring``.

    Returns whether one of them differs from the copy that this host has.
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
            # No warning is needed: the error for the refused Release names the key.
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
