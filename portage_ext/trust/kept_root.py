"""The trusted root of each binrepo is kept in a file, beside the other remembered files of that binrepo::

    EROOT/var/lib/portage-ext/trust/
        NAME.root       the pins that it was verified with, keys that could not be fetched yet, root keys that have signed it,
                        root keys that were removed (no line if there are none), an empty line, and the root as published
        NAME.rootkeys   the public root keys as `gpg --export` writes them; they never enter Portage's keyring

The file is replaced as soon as a newer root is accepted, even if the Release that is fetched afterwards is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import files, limits
from portage_ext.errors.trust import DamagedStateError, MalformedRootError
from portage_ext.model.release import FINGERPRINT
from portage_ext.model.root import Root
from portage_ext.trust import root as root_text
from portage_ext.trust import roots
from portage_ext.trust.keyrings import RootPins, TrustDirectory
from portage_ext.trust.memory import StateDirectory
from portage_ext.trust.roots import Believed

_HEADER_SIZE: Final = 32 * limits.KIB


@dataclass(frozen=True, slots=True)
class KeptRoot:
    """A trusted root as it is kept. ``lacking`` are keys that it names but no mirror had; the next run tries to fetch them."""

    believed: Believed
    lacking: frozenset[str] = frozenset()


def root_file(state: StateDirectory) -> Path:
    return state.directory / f"{state.binrepo}.root"


def root_keyring(state: StateDirectory) -> Path:
    return state.directory / f"{state.binrepo}.rootkeys"


def load(state: StateDirectory) -> KeptRoot | None:
    """Read the kept root; None if there is none yet. Raises DamagedStateError."""
    path = root_file(state)
    try:
        with path.open("rb") as file:
            data = file.read(limits.MAX_ROOT_SIZE + _HEADER_SIZE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedStateError(str(path), str(error)) from error
    head, _, text = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
        if len(lines) == 3:
            lines.append("Removed:")
        pinned, lacking, signed, gone = (line.split(" ") for line in lines)
        threshold, keys, missing, signers, removed = (
            int(pinned[1]),
            *map(frozenset, (pinned[2:], lacking[1:], signed[1:], gone[1:])),
        )
        if [pinned[0], lacking[0], signed[0], gone[0]] != ["Pinned:", "Lacking:", "Signed:", "Removed:"]:
            raise ValueError("not the lines of a root that is kept")
        if not all(map(FINGERPRINT.fullmatch, keys | missing | signers | removed)):
            raise ValueError("not the fingerprints of a root that is kept")
        pins = RootPins(keys, threshold, removed)
        return KeptRoot(Believed(root_text.parse(text, str(path)), text, pins, signers), missing)
    except (ValueError, IndexError, MalformedRootError) as error:
        raise DamagedStateError(str(path), f"it is damaged ({error})") from error


def believed(trust: TrustDirectory, state: StateDirectory) -> Root | None:
    """The kept root, if it is valid under the current pins; None if no root key is pinned or no valid root was seen yet.

    Raises SettingsError, DamagedStateError.
    """
    pins = trust.root_pins(state.binrepo)
    if pins is None:
        return None
    kept = load(state)
    found = roots.still_believed(pins, kept.believed if kept else None)
    return found.root if found else None


def save(state: StateDirectory, kept: KeptRoot) -> None:
    """Replace the kept root. Raises OSError."""
    pins = kept.believed.pins
    lines = (
        ["Pinned:", str(pins.threshold), *sorted(pins.keys)],
        ["Lacking:", *sorted(kept.lacking)],
        ["Signed:", *sorted(kept.believed.signers)],
        *([["Removed:", *sorted(pins.removed)]] if pins.removed else []),
    )
    head = "".join(f"{' '.join(words)}\n" for words in lines) + "\n"
    state.make_directory()
    files.replace_file(root_file(state), head.encode("ascii") + kept.believed.data)


def forget(state: StateDirectory) -> None:
    """Remove the kept root, so that the next contact with the binhost is treated as the first one. Raises OSError."""
    for path in (root_file(state), root_keyring(state)):
        path.unlink(missing_ok=True)
