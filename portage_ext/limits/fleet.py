"""Bounds on a configuration that is published as a profile. Sizes are in bytes."""

from __future__ import annotations

from typing import Final

from portage_ext.limits import MIB

CONFIG_SIZE: Final = 8 * MIB
"""A config.json."""
CONFIG_PROFILES: Final = 256
CONFIG_FILES: Final = 1024
"""Files and sets of one profile."""
HOST_FILES: Final = 4096
"""Files that are read of the configuration of one host, and …"""
HOST_BYTES: Final = 16 * MIB
"""… their size together."""
HOSTS: Final = 1000
"""Hosts below one directory."""
