"""Bounds on repositories that a sync makes, and on all that they are made from. Sizes are in bytes, times in seconds."""

from __future__ import annotations

from typing import Final

from portage_ext.limits import GIB, KIB, MIB

# Repositories that a sync makes (repositories/).
REPOSITORY_SIZE: Final = 256 * MIB  # all files of a made repository; they are in memory once while it is made
RECORD_SIZE: Final = 16 * MIB
READER_SECONDS: Final = 30.0  # one ebuild, while its metadata is read
READER_START: Final = 120.0  # the start of the process that reads them, which loads Portage
READER_END: Final = 2.0  # its end, when there is nothing more to read
READER_LINE: Final = 1 * MIB
READER_MEMORY: Final = 2 * GIB  # address space of each process of it
READER_FILE: Final = 16 * MIB
READER_TIMEOUTS: Final = 8  # ebuilds of one repository that may run out of time; no further ebuild is read in that sync
SYNC_OLD: Final = 30 * 86400
"""A made repository that was not synced for so long is a warning, as Portage warns of an old tree (PORTAGE_SYNC_STALE)."""

# The store of an overlay, from which packages are picked (repositories/pick/).
OVERLAY_FILES: Final = 1_000_000
OVERLAY_FILE_SIZE: Final = 8 * MIB  # one file of a package, an eclass, or a file of profiles/
OVERLAY_PACKAGE_FILES: Final = 2048
OVERLAY_PACKAGE_SIZE: Final = 32 * MIB
OVERLAY_GIT_SECONDS: Final = 600.0  # one run of git in the store; it may fetch files
PICKED_PACKAGES: Final = 4096  # packages that one list may bring in
PICK_LOCK: Final = 600.0  # another run makes the same repository

# Ebuilds from a Python index (repositories/pypi/).
PYPI_PAGE: Final = 16 * MIB  # what an index says of one project; boto3, with thousands of releases, has less than three
PYPI_FILES: Final = 50_000  # files of one project
PYPI_METADATA: Final = 2 * MIB  # METADATA, or PKG-INFO, with its description
PYPI_HEADERS: Final = 4096  # header fields of one METADATA; azure and its like have some hundreds of extras
PYPI_HEADER: Final = 16 * KIB  # one of them, with its continuation lines: some put their whole licence there
PYPI_REQUIREMENT: Final = 2 * KIB
PYPI_REQUIREMENTS: Final = 2048
PYPI_NAME: Final = 100
PYPI_VERSION: Final = 64
PYPI_URL: Final = 2 * KIB
PYPI_PYPROJECT: Final = MIB
PYPI_WHEEL: Final = 64 * MIB  # a wheel that is fetched for its METADATA, where the index does not serve that by itself
PYPI_DIRECTORY: Final = 16 * MIB  # the directory of names at the end of a wheel
PYPI_SDIST: Final = 256 * MIB
PYPI_UNPACKED: Final = 2 * GIB
PYPI_MEMBERS: Final = 200_000
PYPI_TAR_READ: Final = 2 * MIB  # one read of tarfile; a header that announces more is hostile
PYPI_PROJECTS: Final = 20_000  # projects of one repository, listed and needed
PYPI_ROUNDS: Final = 64  # how often a closure is gone through until nothing changes
PYPI_SECONDS: Final = 3600.0  # a whole sync
PYPI_RECORD: Final = 256 * MIB  # what a repository remembers of its projects
ECLASS_SIZE: Final = MIB
PACKAGE_METADATA: Final = 256 * KIB  # one metadata.xml of an ebuild repository

# Newer releases of packages (repositories/bump/): runs of nvchecker over all entries, and of `ebuild`, which fetches a release;
# how many build files of it are compared, and how many lines of what differs are shown, each how wide.
NVCHECKER_SECONDS: Final = 900.0
NVCHECKER_OUTPUT: Final = 16 * MIB
BUMP_SECONDS: Final = 1800.0
BUMP_BUILD_FILE: Final = 4 * GIB  # the largest file of a trial build
BUMP_BUILD_MEMORY: Final = 16 * GIB  # address space of each of its processes
BUMP_BUILD_LOG: Final = 1 * MIB  # the end of its log that is searched for the reason of a failure
BUMP_FILES: Final = 256
BUMP_LINES: Final = 200
BUMP_WIDTH: Final = 200
