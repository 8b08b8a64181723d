"""Every bound on what comes from outside, in one place. Sizes are bytes, times are seconds."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# A release and its signatures (trust/).
MAX_RELEASE_SIZE: Final = 64 * KIB
MAX_SIGNATURE_SIZE: Final = 32 * KIB
MAX_KEY_SIZE: Final = MIB
MAX_KEYS_NEXT: Final = 16
MAX_RELEASE_VERSION: Final = 2**53
MAX_VERSION_JUMP: Final = 100_000
MAX_RELEASE_VALIDITY: Final = 400 * 86400
CLOCK_SKEW: Final = 600
MAX_GPG_STATUS: Final = 4 * MIB
GPG_TIMEOUT: Final = 120

# Transfers (fetch/).
TRANSFER_BLOCK: Final = MIB
MAX_REDIRECTS: Final = 5
MAX_BACKOFF: Final = 10.0
MAX_MIRRORS: Final = 32
