"""A transport is the program that a client starts to reach its service: request lines go to its standard input, and answer
lines come from its standard output.

Everything else is common to all transports: the protocol, the limits, what counts as down and what as refused. A new transport
is a row in ``TRANSPORTS``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final

from portage_ext.config.asking import HTTPS, LOCAL, Asking


def words(asking: Asking) -> list[str]:
    """The command line that connects to the service of ``asking``."""
    return TRANSPORTS[asking.transport](asking)


def _local(asking: Asking) -> list[str]:
    return [sys.executable, "-P", "-m", "portage_ext.cli.main", "door", "--client", asking.client]


def _ssh(asking: Asking) -> list[str]:
    patience = f"-oConnectTimeout={max(1, round(asking.patience))}"
    alive = ("-oServerAliveInterval=15", "-oServerAliveCountMax=2")
    port = () if asking.port is None else ("-p", str(asking.port))
    # The service ignores this command: its authorized_keys has a fixed command for this client's key.
    return ["ssh", "-T", "-oBatchMode=yes", patience, *alive, *port, *asking.options, "--", asking.host, "portage-ext door"]


def _https(asking: Asking) -> list[str]:
    """A process of its own: emerge can then bound every wait, also for the resolver of names, and loads no TLS."""
    program = [sys.executable, "-P", "-m", "portage_ext.asking.over_https"]
    return [*program, asking.host, str(asking.port), asking.certificate, asking.key, asking.server]


TRANSPORTS: Final[Mapping[str, Callable[[Asking], list[str]]]] = {LOCAL: _local, "ssh": _ssh, HTTPS: _https}
"""By ``Asking.transport``."""
