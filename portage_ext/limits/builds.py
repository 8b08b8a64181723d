"""Bounds on captures of other hosts, requests for builds, and builds. Sizes are in bytes, times in seconds."""

from __future__ import annotations

from typing import Final

from portage_ext.limits import GIB, KIB, MIB

# A capture of another host (targets/).
CAPTURE_SECONDS: Final = 300.0
"""On a slow host, Portage takes long to read its configuration and the CONTENTS of each installed package."""
CAPTURE_SIZE: Final = 64 * MIB
CAPTURE_BYTES: Final = 16 * MIB
"""All files of one capture; patches are the largest of them."""
CAPTURE_FILES: Final = 4096
CAPTURE_LIST: Final = 4096
CAPTURE_PACKAGES: Final = 20_000
CAPTURE_TEXT: Final = 64 * KIB
CAPTURE_SAID: Final = 4 * KIB
"""The end of the standard error of the other side."""

# Files of another host that builds for it need (targets/copying, builds/layers).
COPY_SIZE: Final = 64 * GIB
COPY_FILES: Final = 4_000_000
COPY_PATH: Final = 4095
COPY_LINE: Final = 32 * KIB
"""A line of the list of files."""
COPY_NAMED: Final = 16 * MIB
"""How much of a file that no package owns is searched for passwords."""
COPY_SECONDS: Final = 7200.0
"""The host reads all files, and sends those that nothing here has."""

# A system made from a stage archive (targets/).
STAGE_SIZE: Final = 64 * GIB
"""All files in the archive, unpacked."""
STAGE_MEMBERS: Final = 2_000_000
STAGE_SECONDS: Final = 3600.0
"""How long tar may take to unpack it."""

# Requests for builds (asking/, door/), and packages that wait for a binary (emerge/lacking/).
WAITING_SIZE: Final = 4 * MIB  # what a child of emerge tells its parent, and the file that says since when packages wait
ASK_LINE: Final = 4 * MIB
ASK_BATCH: Final = 2000  # packages of a request, and USE flags of a package
ASK_REASON: Final = 4096
ASK_ANSWER: Final = 30.0
ASK_EACH: Final = 0.01
"""What emerge waits for the answer about each package of its request, after the patience of [ask]."""
ASK_LOOK: Final = 1.0
ASK_AGAIN: Final = 60.0  # how long a client that waits tries to reach a service that was lost
# The service over https (door/).
DOOR_CONNECTIONS: Final = 200
DOOR_CLIENT: Final = 16  # connections of one client
DOOR_HANDSHAKE: Final = 10.0
"""Until somebody has shown a certificate that is known."""
DOOR_REQUEST: Final = 60.0
"""From the end of an answer until the next request has arrived whole; and for sending an answer."""
DOOR_LINGER: Final = 1.0
"""How long the rest of a request is read and dropped, so that the client can read why it was refused."""
DOOR_CERTIFICATES: Final = 64 * KIB  # the file with the certificates of one client
# Builds (builds/).
BUILD_LOOK: Final = 0.5
"""How often a running build is checked for cancellation."""
BUILD_LOST: Final = 5.0
"""How often who waits for builds of other processes looks whether those still live."""
BUILD_TRIAL: Final = 0.3
"""How long a build runs before its trial installation is prepared: until then it needs the CPUs itself."""
BUILD_END: Final = 10.0
"""How long killed processes may take to end."""
JOB_SIZE: Final = 32 * MIB
"""One job, on its way to a builder."""
PLAN_SIZE: Final = 512 * MIB
"""The build plan that an environment reports; each job names all that it is made of."""
LAYER_WAIT: Final = 7200.0
"""Another run makes the same layer."""
BUILD_LOG: Final = 64 * MIB
"""The log of one attempt. Further output is dropped."""
BUILD_TAIL: Final = 64 * KIB
"""The end of the output of a build, where emerge says whether a phase was killed."""
BUILD_RESULT: Final = 8 * GIB
DIFFERENCES: Final = 1000
"""How many differences between two builds of one package the report has."""
DIFFOSCOPE_SECONDS: Final = 120.0
DIFFOSCOPE_SIZE: Final = 16 * MIB
DIFFOSCOPE_SAID: Final = 64 * KIB
"""Its error messages."""
DIFFOSCOPE_IMAGE: Final = 2 * GIB
"""The files of a package that are unpacked for it."""
BUILD_TRIES: Final = 3
"""Attempts of one job that ended because this host, not the package, failed."""
LEDGER_WAIT: Final = 30.0
"""How long another process may hold the ledger."""
PLAN_SECONDS: Final = 300.0
"""The resolver, in a cage."""
DEPLOY_SECONDS: Final = 600.0
"""The resolver of another host."""
