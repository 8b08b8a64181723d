"""How long a client waits for the answer about a package that exists, asked over real ssh on loopback.

    python -m bench.ask [--runs 50] [--jobs 1000]

The ledger has as many published jobs. ``open`` asks again on a connection that is open, as emerge does while it waits; ``warm``
begins a new door on an ssh connection that is kept (ControlMaster), as one emerge after the other does; ``cold`` connects.
Each has ssh alone (`ssh host true`) beside it, which is no part of ours. Medians, and the highest of all runs.
"""

from __future__ import annotations

import argparse
import getpass
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from portage_ext.asking.protocol import Wanted
from portage_ext.asking.service import Service
from portage_ext.builds.key import Job
from portage_ext.builds.ledger import Ledger
from portage_ext.config.asking import Asking
from portage_ext.door.requests import PLANNED, Requests
from portage_ext.targets.store import Store
from tests.testkit import environments, sshd

STATE = "var/lib/portage-ext/builds/ledger.sqlite"


def wanted(number: int) -> Wanted:
    return Wanted(f"app-misc/package{number}-1", "0/0", "tiny", {f"flag{one}": "on" for one in range(20)})


def fill(root: Path, count: int) -> None:
    """A coordinator below ``root`` that has built ``count`` packages for the target laptop."""
    store = Store(root)
    store.directory.mkdir(parents=True)
    (store.directory / "laptop").symlink_to("laptop.d/1")
    ledger = Ledger(root / STATE)
    requests = Requests(root / STATE)
    place = root / "package.gpkg.tar"
    place.touch()
    for number in range(count):
        one = wanted(number)
        job = Job(one.cpv, {"cpv": one.cpv, "slot": "0/0"}, one.use, {}, {}, {}, {})
        entry = ledger.request(job.key(), "laptop", job)
        attempt = ledger.take("bench", lambda key, fence: "log", [entry.key])
        if attempt is None:
            raise RuntimeError("the ledger gives nothing out")
        ledger.end(attempt, "checked", result="somewhere")
        ledger.set_place(entry.key, attempt.fence, str(place))
        ledger.publish(entry.key, attempt.fence)
        with requests.change():
            request = requests.add("laptop", "laptop", one, 0)
            requests.settle(request, PLANNED, key=entry.key, capture="laptop.d/1")
    requests.close()
    ledger.close()


def measured(runs: int, ask: Callable[[int], None]) -> str:
    taken: list[float] = []
    for number in range(runs + 1):
        begun = time.perf_counter()
        ask(number)
        if number:  # the first warms the caches
            taken.append((time.perf_counter() - begun) * 1000)
    return f"{statistics.median(taken):6.1f} ms, at most {max(taken):6.1f} ms"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        root = Path(name)
        fill(root, options.jobs)
        (root / "etc/portage").mkdir(parents=True)
        (root / "etc/portage/portage-ext.toml").write_text(
            '[client.laptop]\ntargets = ["laptop"]\nrequests-a-minute = 1000000\n', encoding="utf-8"
        )
        (root / "ssh").mkdir()
        sshd.new_ssh_key(root / "ssh/host")
        key = sshd.new_ssh_key(root / "ssh/user")
        door = (
            f"env -i PATH=/usr/bin:/bin PORTAGE_CONFIGROOT={root} ROOT={root} {environments.environment().bin}/portage-ext door"
        )
        other = sshd.new_ssh_key(root / "ssh/other")
        (root / "ssh/authorized").write_text(f'restrict,command="{door} --client laptop" {key}restrict {other}')
        with sshd.running(root / "ssh") as port:
            cold = (*shlex.split(sshd.client_options(root / "ssh/user")),)
            kept = ("-oControlMaster=auto", f"-oControlPath={root}/ssh/control", "-oControlPersist=60")
            warm = (*cold, *kept)
            alone = (*shlex.split(sshd.client_options(root / "ssh/other")),)
            host = f"{getpass.getuser()}@127.0.0.1"

            def service(words: tuple[str, ...]) -> Service:
                return Service(Asking("ssh", "laptop", "laptop", host, port, words, patience=60))

            def ask_once(words: tuple[str, ...]) -> Callable[[int], None]:
                def ask(number: int) -> None:
                    with service(words) as one:
                        check(one, number)

                return ask

            def check(one: Service, number: int) -> None:
                (found,) = one.request([wanted(number % options.jobs)], "person")
                if found.state != "published":
                    raise RuntimeError(f"the answer is {found}")

            with service(warm) as one:
                print(f"open  {measured(options.runs, lambda number: check(one, number))}")
                print(f"warm  {measured(options.runs, ask_once(warm))}")
            print(f"cold  {measured(options.runs, ask_once(cold))}")

            def nothing(words: tuple[str, ...]) -> Callable[[int], None]:
                command = ["ssh", "-T", "-oBatchMode=yes", "-p", str(port), *words, host, "true"]
                return lambda number: subprocess.run(command, stdin=subprocess.DEVNULL, check=True) and None

            kept = ("-oControlMaster=auto", f"-oControlPath={root}/ssh/alone", "-oControlPersist=60")
            print(f"warm, ssh alone  {measured(options.runs, nothing((*alone, *kept)))}")
            print(f"cold, ssh alone  {measured(options.runs, nothing(alone))}")


if __name__ == "__main__":
    main()
