"""How long a client waits for the answer about a package that exists, asked over real ssh and over https on loopback.

    python -m bench.ask [--runs 50] [--jobs 1000]

The ledger has as many published jobs. ``open`` asks again on a connection that is open, as emerge does while it waits; ``warm``
begins a new door on an ssh connection that is kept (ControlMaster), as one emerge after the other does; ``cold`` connects.
Each has ssh alone (`ssh host true`) beside it, which is no part of ours. ``https, open`` and ``https, new`` are the same with
`portage-ext door --serve`: on an open connection, and with a new program of the transport and its handshake each time; the
handshake alone stands beside it. Medians, and the highest of all runs.
"""

from __future__ import annotations

import argparse
import getpass
import re
import shlex
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from portage_ext.asking import over_https, transports
from portage_ext.asking.protocol import Wanted
from portage_ext.asking.service import Service
from portage_ext.builds.key import Job
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.config.asking import Asking
from portage_ext.door.requests import PLANNED, Requests
from portage_ext.targets.store import Store
from tests.testkit import daemon, environments, sshd
from tests.testkit.certificates import new_certificate

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


def check(asked: Service, number: int) -> None:
    """Ask for a package that exists."""
    (found,) = asked.request([wanted(number)], "person")
    if found.state != "published":
        raise RuntimeError(f"the answer is {found}")


def measured(runs: int, ask: Callable[[int], None]) -> str:
    taken: list[float] = []
    for number in range(runs + 1):
        begun = time.perf_counter()
        ask(number)
        if number:  # the first warms the caches
            taken.append((time.perf_counter() - begun) * 1000)
    return f"{statistics.median(taken):6.1f} ms, at most {max(taken):6.1f} ms"


def service(asking: Asking) -> Service:
    """The service of ``asking``, by the programs that the environment of the tests has."""
    command = transports.words(asking)
    return Service(asking, [str(environments.environment().python), *command[1:]] if asking.transport == "https" else command)


def ask_once(asking: Asking, jobs: int) -> Callable[[int], None]:
    """Ask with a new program of the transport each time."""

    def ask(number: int) -> None:
        with service(asking) as one:
            check(one, number % jobs)

    return ask


def over_ssh(root: Path, door: str, runs: int, jobs: int) -> None:
    """The lines for ssh, whose forced command is ``door``."""
    place = root / "ssh"
    place.mkdir()
    sshd.new_ssh_key(place / "host")
    key, other = sshd.new_ssh_key(place / "user"), sshd.new_ssh_key(place / "other")
    (place / "authorized").write_text(f'restrict,command="{door} --client laptop" {key}restrict {other}')
    with sshd.running(place) as port:
        cold = (*shlex.split(sshd.client_options(place / "user")),)
        alone = (*shlex.split(sshd.client_options(place / "other")),)
        host = f"{getpass.getuser()}@127.0.0.1"

        def kept(name: str) -> tuple[str, ...]:
            return "-oControlMaster=auto", f"-oControlPath={place}/{name}", "-oControlPersist=60"

        def asking(words: tuple[str, ...]) -> Asking:
            return Asking("ssh", "laptop", "laptop", host, port, words, patience=60)

        def nothing(words: tuple[str, ...]) -> Callable[[int], None]:
            command = ["ssh", "-T", "-oBatchMode=yes", "-p", str(port), *words, host, "true"]

            def ask(number: int) -> None:
                subprocess.run(command, stdin=subprocess.DEVNULL, check=True)

            return ask

        warm = asking((*cold, *kept("control")))
        with service(warm) as one:
            print(f"open  {measured(runs, lambda number: check(one, number % jobs))}")
            print(f"warm  {measured(runs, ask_once(warm, jobs))}")
        print(f"cold  {measured(runs, ask_once(asking(cold), jobs))}")
        print(f"warm, ssh alone  {measured(runs, nothing((*alone, *kept('alone'))))}")
        print(f"cold, ssh alone  {measured(runs, nothing(alone))}")


def over_tls(root: Path, door: list[str], server: str, port: int, runs: int, jobs: int) -> None:
    """The lines for https, served by ``door`` at ``port`` with the certificate that has the fingerprint ``server``."""
    certificate, key = str(root / "laptop.pem"), str(root / "laptop.key")
    asking = Asking(
        "https", "laptop", "laptop", "127.0.0.1", port, patience=60, certificate=certificate, key=key, server=server
    )

    def handshake(number: int) -> None:
        context = over_https.context(certificate, key, server)
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as connection:
            # With TLS 1.3 the service has seen our certificate when it answers.
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            connection.recv(1)

    with daemon.running([*door, "--serve"], port):
        with service(asking) as one:
            print(f"https, open  {measured(runs, lambda number: check(one, number % jobs))}")
        print(f"https, new   {measured(runs, ask_once(asking, jobs))}")
        print(f"https, handshake alone  {measured(runs, handshake)}")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pe-") as name, daemon.free_port() as port:
        root = Path(name)
        fill(root, options.jobs)
        new_certificate(root, "laptop")
        (root / "etc/portage").mkdir(parents=True)
        (root / "etc/portage/portage-ext.toml").write_text(
            f'[client.laptop]\ntargets = ["laptop"]\nrequests-a-minute = 1000000\ncertificate = "{root}/laptop.pem"\n'
            f'[door]\nlisten = "127.0.0.1:{port}"\n',
            encoding="utf-8",
        )
        program = str(environments.environment().bin / "portage-ext")
        door = ["env", "-i", "PATH=/usr/bin:/bin", f"PORTAGE_CONFIGROOT={root}", f"ROOT={root}", program, "door"]
        made = subprocess.run([*door, "--setup"], capture_output=True, text=True, check=True).stdout
        (server,) = re.findall("[0-9a-f]{64}", made)
        over_ssh(root, shlex.join(door), options.runs, options.jobs)
        over_tls(root, door, server, port, options.runs, options.jobs)


if __name__ == "__main__":
    main()
