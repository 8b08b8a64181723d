"""portage-ext check: ten seconds are promised, whatever the network does. Whole processes, on a client of the standard binhost.

    python -m bench.check [--packages 30000] [--runs 5]

*healthy*: one binrepo that answers. *PKGDIR*: so many packages beside their index, a kilobyte an entry. *silent*: eight mirrors
that accept a connection and say nothing, of two binrepos.
"""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.measure import Command, compare, table
from tests.testkit import binhost as kit
from tests.testkit import httpd
from tests.testkit.roots import Root


def fill(pkgdir: Path, count: int) -> None:
    """Packages that are looked at from outside only, and their index."""
    entries = []
    for number in range(count):
        path = f"app-misc/p{number // 10}/p{number // 10}-{number % 10}-1.gpkg.tar"
        file = pkgdir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
        os.utime(file, (1, 1))
        cpv = f"app-misc/p{number // 10}-{number % 10}"
        entries.append(f"BUILD_ID: 1\nCPV: {cpv}\nMTIME: 1\nPATH: {path}\nRDEPEND: {'dev-libs/a ' * 80}\nSIZE: 1\n\n")
    (pkgdir / "Packages").write_text(f"PACKAGES: {count}\nTIMESTAMP: 1\nVERSION: 0\n\n{''.join(entries)}")


def command(name: str, root: Root, *statuses: int) -> Command:
    words = [str(root.environment.bin / "portage-ext"), "check"]
    return Command(name, words, root.variables(), statuses=statuses)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", type=int, default=30_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    binhost = kit.standard()
    with tempfile.TemporaryDirectory(prefix="pe-") as name, httpd.serve(binhost.pkgdir) as server, ExitStack() as stack:
        work = Path(name)
        work.chmod(0o755)
        healthy, large, silent = (kit.client(work / word, binhost, {"tinybin": server.url}) for word in ("a", "b", "c"))
        fill(large.pkgdir, options.packages)
        urls = []
        for _ in range(8):
            port = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            urls.append(f"http://127.0.0.1:{port}/lab")
        conf = "".join(f"[{n}]\nsync-uri = {url}\nverify-signature = true\n\n" for n, url in zip("xy", urls[:2], strict=True))
        silent.etc("binrepos.conf", conf)
        silent.etc(
            "portage-ext.toml", f"[binrepo.x]\nmirrors = {urls[2:5]}\n[binrepo.y]\nmirrors = {urls[5:]}\n".replace("'", '"')
        )
        commands = [
            command("healthy", healthy, 0, 3),
            command(f"PKGDIR of {options.packages}", large, 0, 3),
            command("8 silent mirrors", silent, 1),
        ]
        figures = compare(commands, options.runs)
        rows = [("", "s", "CPU s", "MiB")]
        rows += [(name, f"{one.seconds:.2f}", f"{one.cpu:.2f}", f"{one.mib:.0f}") for name, one in figures.items()]
        print(table(rows))
        print("load", *os.getloadavg())


if __name__ == "__main__":
    main()
