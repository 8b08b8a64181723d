"""Every bound on what comes from outside, in one place. Sizes are bytes, times are seconds."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# Configuration that an administrator writes.
CONFIG_FILE_SIZE: Final = 4 * MIB
CONFIG_LINE: Final = 4 * KIB
"""One line of binrepos.conf."""
CONFIG_LINES: Final = 10_000
"""All lines of one file of binrepos.conf."""
CONFIG_KEY_PARTS: Final = 64
"""The parts of a dotted key of portage-ext.toml."""

# What is asked of the resolver (explain/resolution.py, host/buildtimes.py).
SPOKEN_SIZE: Final = 4 * MIB
"""What Portage prints while it makes a list."""
EMERGE_LOG_SIZE: Final = 32 * MIB
"""The end of emerge.log that is looked through for build times."""

LOOKED_INTO: Final = 256
"""Packages of PKGDIR that are opened beside the closest candidate of each package (explain/looks.py)."""
PLAN_STEPS: Final = 4096
"""Steps of the plan checks for candidates beside the closest (explain/symbols.py), each as long as emerge's list."""

# The index as it is read inside emerge.
INDEX_READ_CHUNK: Final = 1 * MIB
INDEX_ENTRY_SIZE: Final = 1 * MIB

# --- a binary package, as it is read for the index (gpkg/, repo/)
PACKAGE_SIZE: Final = 64 * GIB
CONTAINER_MEMBERS: Final = 64
"""Members of the outer archive; Portage writes six."""
CONTAINER_NAME: Final = 4 * KIB
PAX_HEADER: Final = 64 * KIB
MANIFEST_SIZE: Final = 256 * KIB
SIGNATURE_SIZE: Final = 64 * KIB
METADATA_COMPRESSED: Final = 32 * MIB
METADATA_SIZE: Final = 48 * MIB
"""The metadata archive, decompressed: it holds the build environment, and where quickpkg made the package the list of its
files, with 120 bytes for each: a whole TeX Live, or a game engine, has 300,000. It is in memory once."""
METADATA_MEMBERS: Final = 4096
METADATA_RATIO: Final = 256
"""Output per byte of input, once more than METADATA_RATIO_FREE came out."""
METADATA_RATIO_FREE: Final = 4 * MIB
METADATA_VALUE: Final = 512 * KIB
"""One value that goes into the index; more than INDEX_ENTRY_SIZE in one entry, and emerge reads nothing of it."""
XPAK_SIZE: Final = 64 * MIB
ZSTD_WINDOW: Final = 2 * GIB
"""What ``zstd --long=31`` takes, which is what Portage runs; memory is touched only as far as output is made."""
ZSTD_BLOCKS: Final = 65536
"""Blocks of compressed metadata, 128 KiB each where a compressor is not asked for small ones."""
DECOMPRESSOR_SECONDS: Final = 60.0
READ_BLOCK: Final = 1 * MIB
TRAILING_BLOCK: Final = 10240
"""tar pads with zeros to records of this size."""

# --- the package index (index/, repo/)
INDEX_SIZE: Final = 1 * GIB
INDEX_LINE: Final = 4 * MIB
INDEX_KEYS: Final = 1024
"""Keys of one entry; Portage knows about fifty."""
STATE_SIZE: Final = 1 * GIB
"""A state file beyond this is rebuilt."""
POOL_FROM: Final = 64
"""Packages to read from which on more than one process reads them."""
BATCH: Final = 128
"""Packages a process reads between two reports; their signatures are checked by one run of gpg."""
BATCH_BYTES: Final = 32 * MIB
"""Signed bytes that wait for gpg at most."""
PREFETCH_FROM: Final = 256
"""Packages to read from which on they are read before the lock is taken."""
GPG_SECONDS: Final = 600.0
"""One run of gpg over a batch."""
GPG_OUTPUT: Final = 64 * MIB
READ_ATTEMPTS: Final = 3
"""How often a package that changes while it is read is read again."""
DIRECTORY_DEPTH: Final = 64

# ELF objects and contracts (elf/, model/contract.py).
ELF_HEADERS: Final = 4096
"""Program headers of one object."""
ELF_RECORDS: Final = 65536
"""Entries of one dynamic section or version table."""
ELF_NAME: Final = 16 * KIB
ELF_NAMES: Final = 4 * MIB
"""All names that one object refers to; the same bytes can be referred to as thousands of names."""
ELF_SIZE: Final = 4 * GIB
"""An object in a package image beyond this is not opened."""
CONTRACT_PRIVATE: Final = 256
"""Libraries in private directories that a contract lists; of the fullest directories it says only that there are more."""
CONTRACT_SIZE: Final = 512 * KIB
"""Characters of a contract's line; glibc's has about eight thousand."""
NEEDED_SIZE: Final = 16 * MIB
"""What Portage records of the objects of one installed package (NEEDED.ELF.2): a line each, with all that it is linked to."""
LOADER_CONF_SIZE: Final = 1 * MIB
LOADER_CONF_FILES: Final = 256
"""Files that one ld.so.conf may include."""
SYMBOLIC_LINKS: Final = 40
"""Links followed for one name, as the kernel counts them."""
ENVIRONMENT_SIZE: Final = 8 * MIB
"""The environment of one process."""
ELF_IN_MEMORY: Final = 16 * MIB
"""A larger object of a package's image goes through a temporary file."""
IMAGE_SIZE: Final = 256 * GIB
"""An image, decompressed, from which a contract is worked out."""
IMAGE_MEMBERS: Final = 4_000_000
IMAGE_HEADERS: Final = 16
"""Headers before the one of a member of an image, which they extend."""
IMAGE_BLOCKS: Final = 4_000_000
"""Blocks of an image that zstd compressed, 128 KiB each where a compressor is not asked for small ones."""
IMAGE_SECONDS: Final = 600.0
"""One run of a decompressor over an image."""
DEPENDENCIES: Final = 4096
"""Packages that are looked at for what a package needs in turn."""
PLAN_ROUNDS: Final = 8
"""How often a merge list is put in order again after edges were added; each round adds some that were not there."""
# A published tree (repo/).
MAX_NOTE_SIZE: Final = 64 * MIB
"""The note beside a release: what it came from, and what it carries on for clients in flight."""
SWITCH_SKEW: Final = 600
"""Seconds by which a channel may have been switched later than its Release says that it was created."""
SNAPSHOT_ATTEMPTS: Final = 3
PLACE_TOGETHER_FROM: Final = 4096
"""Files from which on several threads place them."""
RSYNC_SECONDS: Final = 86400.0
WORKER_WAIT: Final = 60.0
"""How long a run waits for another that works after emerge, before it leaves the work to it."""
REFRESH_SECONDS: Final = 10.0
"""How long a sync waits for binhosts that are asked for their Releases."""
REFRESH_EVERY: Final = 600
"""Several syncs within so many seconds ask once."""
RUN_LOG_SIZE: Final = 1 * MIB
"""The log of runs; beyond it the older half is dropped."""
RUN_LINE_SIZE: Final = 64 * KIB
INSTALL_TEST_SECONDS: Final = 3600.0

# Locks (locks.py): a wait is announced after LOCK_SILENT, and ends after one of the others.
LOCK_SILENT: Final = 2.0
FETCH_LOCK: Final = 300.0
"""Another run looks at the same binrepo: mirrors and patience of both have bounds."""
TREE_LOCK: Final = 3600.0
"""Another publisher is at work."""
PKGDIR_LOCK: Final = 3600.0
"""Portage's own lock on PKGDIR, which emerge and a reindex hold."""
LOG_LOCK: Final = 10.0

# A release and its signatures (trust/).
MAX_RELEASE_SIZE: Final = 64 * KIB
MAX_SIGNATURE_SIZE: Final = 32 * KIB
MAX_KEY_SIZE: Final = MIB
MAX_KEYS_NEXT: Final = 16
MAX_PINS: Final = 64
"""Keys pinned for one binrepo."""
MAX_REMOVED_ROOT_KEYS: Final = 128
"""Root keys that the administrator took out of the pins of one binrepo; none is forgotten, so that more are refused."""
MAX_REMOVED_SIZE: Final = 64 * KIB
"""The file that names them, with comments."""
MAX_ANNOUNCED: Final = 1024
"""What is remembered of rotations: pairs of a key and a key that announced it."""
MAX_REMOVED: Final = 8192
"""Keys that the administrator took out of the pins of one binrepo; none is forgotten, so that more are refused."""
MAX_RELEASE_VERSION: Final = 2**53
MAX_VERSION_JUMP: Final = 100_000
MAX_TIME: Final = 253_402_300_799
"""The last second of the year 9999, which is the last that a Release can name."""
MEMORY_SIZE: Final = MIB
"""What is remembered of one binrepo (trust/memory.py), and the lists and objects in it."""
MEMORY_BRACKETS: Final = 16
MAX_RELEASE_VALIDITY: Final = 400 * 86400
MAX_ROOT_SIZE: Final = 16 * KIB
MAX_ROOT_KEYS: Final = 16
"""Root keys, and release keys, that one root may name."""
MAX_ROOT_VERSION: Final = 1_000_000
MAX_ROOT_VALIDITY: Final = 1200 * 86400
MAX_ROOT_STEPS: Final = 128
"""Roots that a client follows in one run; the next run goes on from there."""
ROOT_SOON: Final = 60 * 86400
"""A root that expires within so many seconds is a warning: somebody must fetch the keys from where they are kept."""
CLOCK_SKEW: Final = 600
MAX_GPG_STATUS: Final = 4 * MIB
GPG_TIMEOUT: Final = 120
SIGN_SECONDS: Final = 600.0
"""One signature, or as long as gpg takes nothing of a payload: a person may have to find a passphrase or a smartcard."""

# Transfers (fetch/).
TRANSFER_BLOCK: Final = MIB
MAX_REDIRECTS: Final = 5
BOTH_DIGESTS_UP_TO: Final = 64 * MIB
"""Packages larger than this are held to BLAKE2B alone while they arrive."""
MAX_BACKOFF: Final = 10.0
SSH_SAID: Final = 4 * KIB
"""The end of what ssh says that is kept."""
SSH_SHOWN: Final = 300
"""The end of that, in characters, that an error shows."""
MAX_MIRRORS: Final = 32

# An index offered by a binhost (trust/).
MAX_INDEX_TTL: Final = 86400
MAX_INDEX_ENTRIES: Final = 1_000_000
MAX_OFFERED_INDEX: Final = 256 * MIB
"""The plain index of a binrepo, whatever its Release says of the size."""
MAX_OFFERED_FORM: Final = 128 * MIB
"""A compressed form of it, where no Release says how large it is."""
EXPANSION_FREE: Final = 16 * MIB
EXPANSION_RATIO: Final = 64
"""Output per byte of input of a compressed index, once more than EXPANSION_FREE came out."""

# Packages fetched on trial by `why --fetch` (explain/trial.py).
TRIAL_PACKAGES: Final = 64
TRIAL_BYTES: Final = 8 * GIB
"""All packages together, by their index; one at a time lies on the disk."""
TRIAL_SECONDS: Final = 1800.0
TRIAL_FETCH_SECONDS: Final = 600.0
"""One run of a fetch command."""
TRIAL_SAID: Final = 64 * KIB
"""The end of what it said, of which the last TRIAL_LINES lines are told."""
TRIAL_LINES: Final = 3

# The compiler, as it is asked about CPUs (host/cpu.py).
COMPILER_SECONDS: Final = 10.0
COMPILER_OUTPUT: Final = MIB

# What a binhost says of its builder (model/builder.py).
BUILDER_SIZE: Final = 1536 * KIB
"""A hostile JSON takes thirty times its size in memory."""
BUILDER_ITEMS: Final = 100_000
BUILDER_TEXT: Final = 4 * KIB

# The health of this host (policy/health.py, tasks/examination.py).
CHECK_SECONDS: Final = 8.0
"""What has not answered by then is said not to have."""
CHECK_TIMEOUT: Final = 4.0
"""Silence of a mirror."""
KEY_SOON: Final = 30 * 86400
DISK_FULL: Final = 200 * MIB
DISK_SCARCE: Final = 2 * GIB

# A capture of another host (targets/).
CAPTURE_SECONDS: Final = 300.0
"""Portage on a slow host reads its configuration and a CONTENTS of each installed package."""
CAPTURE_SIZE: Final = 64 * MIB
CAPTURE_BYTES: Final = 16 * MIB
"""All files of one capture; patches are the largest of them."""
CAPTURE_FILES: Final = 4096
CAPTURE_LIST: Final = 4096
CAPTURE_PACKAGES: Final = 20_000
CAPTURE_TEXT: Final = 64 * KIB
CAPTURE_SAID: Final = 4 * KIB
"""The end of what the other side said on standard error."""

# Builds (builds/).
BUILD_LOOK: Final = 0.5
"""How often a running build is looked at: whether it was cancelled."""
BUILD_END: Final = 10.0
"""How long killed processes may take to be gone."""
JOB_SIZE: Final = 32 * MIB
"""What an environment says of its plan."""
BUILD_LOG: Final = 64 * MIB
"""The log of one attempt; what is written beyond it is dropped."""
BUILD_RESULT: Final = 8 * GIB
BUILD_TRIES: Final = 3
"""Attempts of one job that ended because this host, not the package, failed."""
LEDGER_WAIT: Final = 30.0
"""How long another process may hold the ledger."""
PLAN_SECONDS: Final = 300.0
"""The resolver, in a cage."""
DEPLOY_SECONDS: Final = 600.0
"""The resolver of another host."""

# Repositories that a sync makes (repositories/).
REPOSITORY_SIZE: Final = 256 * MIB
"""All files of a made repository; they are in memory once while it is made."""
RECORD_SIZE: Final = 16 * MIB
READER_SECONDS: Final = 30.0
"""One ebuild, while its metadata is read."""
READER_START: Final = 120.0
"""The start of the process that reads them, which loads Portage."""
READER_LINE: Final = 1 * MIB
"""What it answers for one ebuild."""
READER_MEMORY: Final = 2 * GIB
"""Address space of each process of it."""
READER_FILE: Final = 16 * MIB
"""A file that it may write."""
READER_TIMEOUTS: Final = 8
"""Ebuilds of one repository that may run out of time; no further ebuild is read in that sync."""

# The store of an overlay, from which packages are picked (repositories/pick/).
OVERLAY_FILES: Final = 1_000_000
OVERLAY_FILE_SIZE: Final = 8 * MIB
"""One file of a package, an eclass, or a file of profiles/."""
OVERLAY_PACKAGE_FILES: Final = 2048
OVERLAY_PACKAGE_SIZE: Final = 32 * MIB
OVERLAY_GIT_SECONDS: Final = 600.0
"""One run of git in the store; it may fetch files."""
PICKED_PACKAGES: Final = 4096
"""Packages that one list may bring in."""
PICK_LOCK: Final = 600.0
"""Another run makes the same repository."""

# Ebuilds from a Python index (repositories/pypi/).
PYPI_PAGE: Final = 16 * MIB
"""What an index says of one project; boto3, with thousands of releases, has less than three."""
PYPI_FILES: Final = 50_000
"""Files of one project."""
PYPI_METADATA: Final = 2 * MIB
"""METADATA, or PKG-INFO, with its description."""
PYPI_HEADERS: Final = 4096
"""Header fields of one METADATA; azure and its like have some hundreds of extras."""
PYPI_HEADER: Final = 16 * KIB
"""One of them, with its continuation lines: some put their whole licence there."""
PYPI_REQUIREMENT: Final = 2 * KIB
PYPI_REQUIREMENTS: Final = 2048
PYPI_NAME: Final = 100
PYPI_VERSION: Final = 64
PYPI_URL: Final = 2 * KIB
PYPI_PYPROJECT: Final = MIB
PYPI_WHEEL: Final = 64 * MIB
"""A wheel that is fetched for its METADATA, where the index does not serve that by itself."""
PYPI_DIRECTORY: Final = 16 * MIB
"""The directory of names at the end of a wheel."""
PYPI_SDIST: Final = 256 * MIB
PYPI_UNPACKED: Final = 2 * GIB
PYPI_MEMBERS: Final = 200_000
PYPI_TAR_READ: Final = 2 * MIB
"""One read of tarfile; a header that announces more is hostile."""
PYPI_PROJECTS: Final = 20_000
"""Projects of one repository, listed and needed."""
PYPI_ROUNDS: Final = 64
"""How often a closure is gone through until nothing changes."""
PYPI_SECONDS: Final = 3600.0
"""A whole sync."""
PYPI_RECORD: Final = 256 * MIB
"""What a repository remembers of its projects."""
ECLASS_SIZE: Final = MIB
PACKAGE_METADATA: Final = 256 * KIB
"""One metadata.xml of an ebuild repository."""

# The graph of a merge list (graph/, emerge/graph.py, watch/).
GRAPH_REDUCED: Final = 6000
"""Packages of a list up to which edges that a longer way implies are left out: the sets for that take 5 MB then."""
WATCHED_PLAN: Final = 32 * MIB
WATCHED_STATE: Final = 4 * MIB
"""What a running emerge says of itself."""
WATCHED_PACKAGES: Final = 50_000
WATCHED_EDGES: Final = 2_000_000
WATCHED_AT_ONCE: Final = 64
"""Running emerges that are looked at."""
WATCH_SECONDS: Final = 1.0
"""How often a running emerge is drawn, and says what it does."""
LOG_TAIL: Final = 64 * KIB
"""The end of a build log that is shown."""
