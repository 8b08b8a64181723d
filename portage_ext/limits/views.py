"""Bounds on the graph of a merge list and on the pages of a channel. Sizes are in bytes, times in seconds."""

from __future__ import annotations

from typing import Final

from portage_ext.limits import KIB, MIB

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

# The pages of a channel (pages/).
PAGES_NAME: Final = 128
"""A category or a package name; a longer one is no name of a file everywhere, and gets no page."""
PAGES_TEXT: Final = 500
"""A description."""
PAGES_FLAGS: Final = 512
"""USE flags of one package that are shown."""
PAGES_NEEDS: Final = 16 * KIB
"""The dependencies of one package that are shown."""
PAGES_LISTED: Final = 500
"""Packages that one list of a page shows; it says how many more there are."""
PAGES_BUILDS: Final = 100
"""Builds of one package that its page shows."""
PAGES_HISTORY: Final = 200
"""Releases of a channel that the pages remember, for the list, the charts and the feed."""
PAGES_FEED: Final = 30
"""Releases in the feed."""
PAGES_UPDATE: Final = 4 * MIB
"""What the last update tells the pages."""
PAGES_STATE: Final = 64 * MIB
"""What the pages of the live release tell the next writer."""
PAGES_ROWS: Final = 64
"""Packages in one file of search results; where a prefix has more, it is divided."""
PAGES_SIGNATURE: Final = 64 * KIB
"""How much of a package is read to see if it has a signature."""
