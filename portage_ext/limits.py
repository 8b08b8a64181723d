"""Every bound on what comes from outside, in one place. Sizes are bytes, times are seconds."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# Configuration that an administrator writes.
CONFIG_FILE_SIZE: Final = 4 * MIB

# The index as it is read inside emerge.
INDEX_READ_CHUNK: Final = 1 * MIB
INDEX_ENTRY_SIZE: Final = 1 * MIB
