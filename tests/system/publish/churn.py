"""A publisher and a mirror that never rest, to be killed: ``python -m tests.system.publish.churn publish|mirror WORK SEED``.

WORK/pool has signed packages and their index. Each step makes PKGDIR another part of it and publishes that, promotes, rolls
back or prunes. Portage is left out, so that a step takes a moment; packages, signatures, tree, links and rsync are real.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import sys
import time
from pathlib import Path

import zstandard

from portage_ext.errors.releases import MirrorPushError, TreeError, UnknownChannelError, UnknownNumberError
from portage_ext.releases.contents import Contents, parse
from portage_ext.releases.gates.index import IndexGate
from portage_ext.releases.made import Source, Terms
from portage_ext.releases.mirror import Mirror
from portage_ext.releases.publish import Publisher
from portage_ext.releases.retention import Keep, expendable
from portage_ext.releases.tree import Tree
from portage_ext.trust.signer import GpgSigner, SigningKey

GRACE = 60
"""Seconds; every client in the test fetches what an index names well within it."""
ALWAYS = ("app-misc/hello/", "app-misc/flags/flags-1.0")
"""What real emerge is asked for: in every release."""


def fill(work: Path, pool: Contents, chance: random.Random) -> Path:
    """PKGDIR with a part of the pool and its index: a new directory, as if a build had run."""
    pkgdir = work / "binpkgs"
    shutil.rmtree(pkgdir, ignore_errors=True)
    chosen = [path for path in pool.entries if path.startswith(ALWAYS) or chance.random() < 0.6]
    for path in chosen:
        (pkgdir / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(work / "pool" / path, pkgdir / path)
    header = {**pool.header, "PACKAGES": str(len(chosen)), "TIMESTAMP": "1"}
    text = "".join(f"{key}: {header[key]}\n" for key in sorted(header)).encode() + b"\n"
    text += b"".join(pool.entries[path] + b"\n\n" for path in chosen)
    (pkgdir / "Packages").write_bytes(text)
    (pkgdir / "Packages.gz").write_bytes(gzip.compress(text))
    (pkgdir / "Packages.zst").write_bytes(zstandard.ZstdCompressor().compress(text))
    return pkgdir


def publish(work: Path, seed: int) -> None:
    chance = random.Random(seed)
    fingerprint = (work / "fingerprint").read_text()
    signer = GpgSigner(SigningKey(fingerprint, fingerprint), work / "key")
    tree = Tree(work / "tree")
    publisher = Publisher(tree, signer.detach, Terms(86400, GRACE))
    pool = parse((work / "pool/Packages").read_bytes(), "pool")
    while True:
        step = chance.random()
        try:
            if step < 0.55:
                channel = chance.choice(("staging", "production"))
                publisher.publish(channel, Source(fill(work, pool, chance), "published"), (IndexGate(),), may_lose=True)
            elif step < 0.75:
                publisher.promote("staging", "production", (IndexGate(),))
            elif step < 0.9:
                publisher.rollback("production")
            else:
                with tree.locked():
                    tree.recover()
                    for number in expendable(tree.known(), tree.channels(), lambda _: Keep(2, 0, GRACE), int(time.time())):
                        tree.remove(number)
        except (UnknownChannelError, UnknownNumberError):
            continue
        time.sleep(0.15)


def mirror(work: Path, seed: int) -> None:
    target = Mirror("near", str(work / "mirror"), Tree(work / "tree"), ["production"])
    while True:
        try:
            target.push()
        except (MirrorPushError, TreeError) as error:
            # A release that was pruned under rsync's hands: the next round sends the newer one.
            print(error, file=sys.stderr, flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    {"publish": publish, "mirror": mirror}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
