"""Bounds on deltas between packages. Sizes are in bytes, times in seconds."""

from __future__ import annotations

from typing import Final

from portage_ext.limits import KIB, METADATA_COMPRESSED, MIB

DOCUMENT: Final = 16 * MIB
"""A deltas.json."""
COUNT: Final = 20_000
"""Deltas of one release."""
PACKAGE_FROM: Final = 64 * KIB
"""For a smaller package, a delta saves less than it costs to ask for one."""
SHARE: Final = 0.4
"""A delta is offered only if it has at most this share of the size of its package."""
IMAGE: Final = 512 * MIB
"""The decompressed image of a package for which a binhost makes a delta."""
HEAD: Final = METADATA_COMPRESSED + MIB
"""The part of a package before its compressed image."""
TAIL: Final = 2 * MIB
"""The part of a package after its compressed image: a signature, the Manifest and padding."""
CANDIDATES: Final = 8
"""Files at hand of which the digest is computed, to find the package that a delta begins with."""
FILES: Final = 10_000
"""Files in one directory of PKGDIR that are looked at for that."""
PATCH_MEMORY: Final = 3
"""zstd takes so many times the size of the larger image to apply a delta, …"""
MAKE_MEMORY: Final = 6
"""… so many times to make one, …"""
OWN_MEMORY: Final = 128 * MIB
"""… and this for itself."""
LEVEL: Final = 19
"""The highest level of zstd that is tried: above it, compressing takes more than 1 GiB of memory."""
WINDOW: Final = 27
"""The largest window of ``zstd --long``, as an exponent of 2."""
PROGRAM: Final = 600.0
"""One run of zstd."""
MAKING: Final = 1800.0
"""All deltas of one release. Packages that are left then have none."""
