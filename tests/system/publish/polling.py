"""A client that never rests: what it is handed must be whole at every moment."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portage_ext.config.settings import FetchSettings, Settings
from portage_ext.errors import PortageExtError
from portage_ext.fetch import package
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.index import obtain
from portage_ext.fetch.mirrors import Transports
from portage_ext.releases.contents import parse
from portage_ext.trust import manage
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.memory import StateDirectory
from tests.system.publish.site import Host


@contextmanager
def polling(*clients: Client) -> Iterator[None]:
    """The clients run until the block ends, however it ends."""
    for client in clients:
        client.start()
    try:
        yield
    finally:
        for client in clients:
            client.stop.set()
        for client in clients:
            client.join()


class Client(threading.Thread):
    """Obtains the index, waits, fetches some packages that it names; every failure is kept."""

    def __init__(self, host: Host, work: Path, url: str, seed: int) -> None:
        super().__init__(daemon=True)
        home = work / f"fetcher-{seed}"
        trust = TrustDirectory(home)
        manage.add(trust, home / "etc/portage/gnupg", "lab", host.key.fingerprint, host.key.public(), "the test")
        settings = Settings(fetch=FetchSettings(timeout=20, retries=6), portage_home=home / "etc/portage/gnupg")
        self._transports = Transports()
        state = StateDirectory(home, "lab")
        self._binrepo = Binrepo(
            name="lab",
            base=url,
            settings=settings,
            config_root=home,
            state=state,
            transports=self._transports,
            warn=lambda line: None,
            progress=lambda size: None,
        )
        self._chance = random.Random(seed)
        self._output = home / "package"
        self.stop = threading.Event()
        self.failures: list[str] = []
        self.indices: set[bytes] = set()
        self.packages = 0

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self._round()
            except PortageExtError as error:
                self.failures.append(f"{type(error).__name__}: {error}")
        self._transports.close()

    def _round(self) -> None:
        index = parse(obtain(self._binrepo, int(time.time())).text, "index")
        self.indices.add(index.body)
        for path in self._chance.sample(sorted(index.entries), min(3, len(index.entries))):
            time.sleep(self._chance.random() * 0.5)
            uri = f"{self._binrepo.base}/{path}"
            self._output.unlink(missing_ok=True)
            package.fetch(self._binrepo, uri, package.entry_for(self._binrepo, uri), self._output, resume=False)
            self.packages += 1
