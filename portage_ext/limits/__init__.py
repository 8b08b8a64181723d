"""Every bound on foreign input, by room: those of the core here, others beside. Sizes are in bytes, times in seconds."""

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
"""The output of Portage while it resolves a request."""
EMERGE_LOG_SIZE: Final = 32 * MIB
"""The end of emerge.log that is searched for build times."""
LOOKED_INTO: Final = 256
"""Packages of PKGDIR that are opened in addition to the closest candidate of each package (explain/looks.py)."""
PLAN_STEPS: Final = 4096
"""Steps of the plan checks for candidates beside the closest (explain/symbols.py), each as long as emerge's list."""

# The index as it is read inside emerge.
INDEX_READ_CHUNK: Final = 1 * MIB
INDEX_ENTRY_SIZE: Final = 1 * MIB

# The GLSAs of the ebuild repository (host/glsas.py). The longest of Gentoo's has about 20 KiB; there are about 3,500.
GLSA_SIZE: Final = 256 * KIB
GLSAS: Final = 20_000
"""The newest GLSAs that are read."""

# --- the provenance of packages (model/provenance.py)
PROVENANCE_LINE: Final = 512 * KIB
"""One record or statement: room for about 1,700 distfiles with two digests each."""
PROVENANCE_INPUTS: Final = 10_000
"""Eclasses, distfiles or dependencies of one build."""
PROVENANCE_SIZE: Final = 256 * MIB
"""All statements of a release."""

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
"""The decompressed metadata archive. It has the build environment and, in a package made by quickpkg, a list of its files
with 120 bytes for each; TeX Live or a game engine has 300,000 files. It is in memory once."""
METADATA_MEMBERS: Final = 4096
METADATA_RATIO: Final = 256
"""Output per byte of input, after the first METADATA_RATIO_FREE bytes."""
METADATA_RATIO_FREE: Final = 4 * MIB
METADATA_VALUE: Final = 512 * KIB
"""One value in the index. emerge does not read an index with an entry of more than INDEX_ENTRY_SIZE bytes."""
XPAK_SIZE: Final = 64 * MIB
ZSTD_WINDOW: Final = 2 * GIB
"""The window of ``zstd --long=31``, which Portage runs. Memory is used only as far as output is produced."""
ZSTD_BLOCKS: Final = 65536
"""Blocks of compressed metadata, 128 KiB each by default."""
DECOMPRESSOR_SECONDS: Final = 60.0
READ_BLOCK: Final = 1 * MIB

# --- the package index (index/, repo/)
INDEX_SIZE: Final = 1 * GIB
INDEX_LINE: Final = 4 * MIB
INDEX_KEYS: Final = 1024
"""Keys of one entry; Portage knows about fifty."""
STATE_SIZE: Final = 1 * GIB
"""A state file beyond this is rebuilt."""
POOL_FROM: Final = 192
"""From this number of packages on, several processes read them."""
BATCH: Final = 128
"""Packages a process reads between two reports; their signatures are checked by one run of gpg."""
BATCH_BYTES: Final = 32 * MIB
"""Maximum of signed bytes in memory for one run of gpg."""
TOGETHER_FROM: Final = 8
"""From this number of packages on, digests of several are computed side by side."""
TOGETHER_SIZE: Final = 512 * KIB
"""The largest file that is read together with others."""
TOGETHER_BYTES: Final = 8 * MIB
"""Maximum of bytes of files in memory that are read together, in one process."""
PREFETCH_FROM: Final = 256
"""From this number of packages on, they are read before the lock is taken."""
GPG_SECONDS: Final = 600.0
"""One run of gpg over a batch."""
READ_ATTEMPTS: Final = 3
"""How often a package that changed while it was read is read again."""
DIRECTORY_DEPTH: Final = 64

# ELF objects and contracts (elf/, model/contract.py).
ELF_HEADERS: Final = 4096
"""Program headers of one object."""
ELF_RECORDS: Final = 65536
"""Entries of one dynamic section or version table."""
ELF_NAME: Final = 16 * KIB
ELF_NAMES: Final = 4 * MIB
"""The length of all names in one object together: thousands of names can refer to the same bytes."""
ELF_SIZE: Final = 4 * GIB
"""An object in a package image beyond this is not opened."""
CONTRACT_PRIVATE: Final = 256
"""Libraries in private directories that a contract lists. For the largest directories it then only says that there are more."""
CONTRACT_SIZE: Final = 512 * KIB
"""Characters of a contract's line; glibc's has about eight thousand."""
NEEDED_SIZE: Final = 16 * MIB
"""Portage's record of the ELF objects of an installed package (NEEDED.ELF.2): one line per object with its libraries."""
LOADER_CONF_SIZE: Final = 1 * MIB
LOADER_CONF_FILES: Final = 256
LOADER_CONF_PATTERNS: Final = 4096
"""Files that one ld.so.conf may include."""
SYMBOLIC_LINKS: Final = 40
"""Links followed for one name, as the kernel counts them."""
ENVIRONMENT_SIZE: Final = 8 * MIB
"""The environment of one process."""
ELF_IN_MEMORY: Final = 16 * MIB
"""A larger object of a package's image goes through a temporary file."""
IMAGE_SIZE: Final = 256 * GIB
"""The decompressed image from which a contract is computed."""
IMAGE_MEMBERS: Final = 4_000_000
IMAGE_HEADERS: Final = 16
"""Extension headers before the header of one member of an image."""
IMAGE_BLOCKS: Final = 4_000_000
"""Blocks of an image compressed with zstd, 128 KiB each by default."""
IMAGE_SECONDS: Final = 600.0
"""One run of a decompressor over an image."""
DEPENDENCIES: Final = 4096
"""Packages that are visited for the transitive dependencies of a package."""
PLAN_ROUNDS: Final = 8
"""How often a merge list is ordered again after edges were added. Each round adds new edges."""
# A published tree (repo/).
MAX_NOTE_SIZE: Final = 64 * MIB
"""The note of a release: its origin, and the files that it still carries for clients with an older index."""
MAX_BLOCKS_LOOKED_INTO: Final = 1 << 14
"""Blocks of published indexes that this host remembers. A release of 30,000 packages has 625, and another one changes few."""
MAX_RELEASES_REMEMBERED: Final = 1 << 10
"""Releases that this host has signed, of each tree."""
SWITCH_SKEW: Final = 600
"""Maximum delay between the creation of a Release and the switch of its channel."""
SNAPSHOT_ATTEMPTS: Final = 3
PLACE_TOGETHER_FROM: Final = 4096
"""From this number of files on, several threads place them."""
RSYNC_SECONDS: Final = 86400.0
WORKER_WAIT: Final = 60.0
"""How long a run waits for another run of after-emerge before it leaves the work to that run."""
AHEAD_WAIT: Final = 60.0
"""How long the process for the work after an emerge waits for the end of that emerge. The next package starts another one."""
REFRESH_SECONDS: Final = 10.0
"""How long a sync waits for the Releases of binhosts."""
REFRESH_EVERY: Final = 600
"""Several syncs within this time ask the binhosts only once."""
RUN_LOG_SIZE: Final = 1 * MIB
"""The log of runs. When it is larger, the older half is dropped."""
RUN_LINE_SIZE: Final = 64 * KIB
INSTALL_TEST_SECONDS: Final = 3600.0

# Locks (locks.py): a wait is announced after LOCK_SILENT, and ends after one of the others.
LOCK_SILENT: Final = 2.0
FETCH_LOCK: Final = 300.0
"""Another run reads the same binrepo. Its mirrors and timeouts are bounded."""
TREE_LOCK: Final = 3600.0
"""Another publisher is at work."""
PKGDIR_LOCK: Final = 3600.0
"""Portage's own lock on PKGDIR, which emerge and reindex hold."""
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
"""Recorded key rotations: pairs of a key and the key that announced it."""
MAX_REMOVED: Final = 8192
"""Keys that the administrator unpinned for one binrepo. None of them is ever dropped; at the bound, more are refused."""
MAX_RELEASE_VERSION: Final = 2**53
MAX_VERSION_JUMP: Final = 100_000
MAX_TIME: Final = 253_402_300_799
"""The last second of the year 9999, which is the last that a Release can name."""
MEMORY_SIZE: Final = MIB
"""The recorded state of one binrepo (trust/memory.py), and the lists and objects in it."""
MEMORY_BRACKETS: Final = 16
MAX_RELEASE_VALIDITY: Final = 400 * 86400
MAX_ROOT_SIZE: Final = 16 * KIB
MAX_ROOT_KEYS: Final = 16
"""Root keys, and release keys, that one root may name."""
MAX_ROOT_VERSION: Final = 1_000_000
MAX_ROOT_VALIDITY: Final = 1200 * 86400
MAX_ROOT_STEPS: Final = 128
"""Roots that a client follows in one run. The next run continues from there."""
ROOT_SOON: Final = 60 * 86400
"""A root that expires within this time is a warning: somebody must fetch the offline root keys."""
CLOCK_SKEW: Final = 600
MAX_GPG_STATUS: Final = 4 * MIB
GPG_TIMEOUT: Final = 120
SIGN_SECONDS: Final = 600.0
"""One signature, or a pause while gpg reads nothing: a person may have to enter a passphrase or insert a smartcard."""

# Transfers (fetch/).
TRANSFER_BLOCK: Final = MIB
MAX_REDIRECTS: Final = 5
BOTH_DIGESTS_UP_TO: Final = 64 * MIB
"""Packages larger than this are checked with BLAKE2B alone during the transfer."""
MAX_BACKOFF: Final = 10.0
SSH_SAID: Final = 4 * KIB
"""The end of the output of ssh that is kept."""
SSH_SHOWN: Final = 300
"""The characters of it that an error shows."""
MAX_MIRRORS: Final = 32

# An index offered by a binhost (trust/).
MAX_INDEX_TTL: Final = 86400
MAX_INDEX_ENTRIES: Final = 1_000_000
MAX_OFFERED_INDEX: Final = 256 * MIB
"""The plain index of a binrepo, whatever size its Release gives."""
MAX_OFFERED_FORM: Final = 128 * MIB
"""A compressed form of it, if no Release gives its size."""
EXPANSION_FREE: Final = 16 * MIB
EXPANSION_RATIO: Final = 64
"""Output per byte of input of a compressed index, after the first EXPANSION_FREE bytes."""

# Packages fetched on trial by `why --fetch` (explain/fetched/trial.py).
TRIAL_PACKAGES: Final = 64
TRIAL_BYTES: Final = 8 * GIB
"""All packages together, by the sizes in the index. Only one at a time is on disk."""
TRIAL_SECONDS: Final = 1800.0
TRIAL_FETCH_SECONDS: Final = 600.0
"""One run of a fetch command."""
TRIAL_SAID: Final = 64 * KIB
"""The end of its output, of which the last TRIAL_LINES lines are shown."""
TRIAL_LINES: Final = 3

# Questions to the compiler about CPUs (host/cpu.py).
COMPILER_SECONDS: Final = 10.0
COMPILER_OUTPUT: Final = MIB
COMPILER_ANSWERS: Final = 32
COMPILER_MEMORY: Final = MIB
"""What is remembered of them (host/answers.py)."""

# The builder.json of a binhost (model/builder.py).
BUILDER_SIZE: Final = 1536 * KIB
"""Small, because hostile JSON can take thirty times its size in memory."""
BUILDER_ITEMS: Final = 100_000
BUILDER_TEXT: Final = 4 * KIB

# The health of this host (policy/health.py, tasks/examination.py).
CHECK_SECONDS: Final = 8.0
"""Checks without an answer by then are reported as such."""
CHECK_TIMEOUT: Final = 4.0
"""How long a mirror may be silent."""
KEY_SOON: Final = 30 * 86400
DISK_FULL: Final = 200 * MIB
DISK_SCARCE: Final = 2 * GIB

# `portage-ext update` and snapshots (updates/, snapshots/).
OWN_RECORD: Final = 16 * MIB  # the journal of an update, the record of snapshots
SNAPSHOT_SECONDS: Final = 120.0  # one command that makes or removes a snapshot
SNAPSHOT_WHY: Final = 2 * KIB  # the description of a snapshot
UPDATE_OUTPUT: Final = 64 * MIB  # what a command of portage-ext prints as JSON for a step
UPDATE_PASSED: Final = 100  # contents of staging that are remembered to have passed their trial
UPDATE_LINES: Final = 12  # last lines of a log in a report
PROCESS_MAPS: Final = 8 * MIB  # what the kernel says of the files that one process has mapped

# Figures for a monitoring system (tasks/metrics.py, unattended/served.py).
ACCESS_LOG_SIZE: Final = 256 * MIB
"""The end of an access log that is read; a larger one should be rotated more often."""
ACCESS_LOG_LINE: Final = 64 * KIB
