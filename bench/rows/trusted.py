"""Signing, verifying and fetching, beside gpkg-sign, Portage in one process, gpg and wget."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import trust
from bench.measure import interleaved
from bench.rows.sizes import Bench, absent
from bench.wanted import Want
from tests.testkit import keys


@contextmanager
def _made(bench: Bench, count: int) -> Iterator[trust._Bench]:
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        work.chmod(0o755)
        key = keys.new_key(work / "key")
        try:
            made = trust._Bench(work, key, bench.sizes.runs)
            made.make(count, bench.sizes.megabytes)
            yield made
        finally:
            keys.kill_agents(key.home)


def signing(bench: Bench) -> Iterator[Want]:
    count = bench.sizes.manifests
    with _made(bench, count) as made:
        found, few = made.signed(), made.sample
        each, ours = found["ours"].seconds / count, f"{found['ours']}"
        one, portage, gpg = (found[name] for name in ("gpkg-sign", "Portage", "gpg"))
        yield Want(f"signing {count:,}: gpkg-sign for each by ours", ours, f"for 1: {one}", one.seconds / each, 15, " times")
        ratio = portage.seconds / few / each
        yield Want(f"signing {count:,}: Portage in one process by ours", ours, f"for {few}: {portage}", ratio, 2, " times")
        what = f"signing {count:,}: gpg alone, one for each Manifest, by ours"
        yield Want(what, ours, f"for {few}: {gpg}", gpg.seconds / few / each, unit=" times")

        large = made.signed_large()
        beside = f"{large['gpkg-sign']}, {large['gpkg-sign'].mib:.0f} MiB"
        ratio = large["gpkg-sign"].seconds / large["ours"].seconds
        what = f"signing one of {bench.sizes.megabytes} MB: gpkg-sign by ours"
        yield Want(what, f"{large['ours']}, {large['ours'].mib:.0f} MiB", beside, ratio, 3, " times")

        found = made.verified()
        each, ours = found["ours"].seconds / count, f"{found['ours']}"
        portage, gpg = found["Portage"], found["gpg"]
        ratio = (portage.seconds - found["start"].seconds) / few / each
        beside = f"for {few}: {portage}, of it {found['start'].seconds:.3g} s to start"
        yield Want(f"verifying {count:,}: Portage without its start by ours", ours, beside, ratio, 5, " times")
        what = f"verifying {count:,}: gpg alone, one for each Manifest, by ours"
        yield Want(what, ours, f"for {few}: {gpg}", gpg.seconds / few / each, unit=" times")


_FETCHES: Final = ("fetching a large package, of wget's rate", 1.0), ("fetching a small package, above wget", 25.0)


def fetching(bench: Bench) -> Iterator[Want]:
    (large, rate), (small, more) = _FETCHES
    if lacking := absent("wget", "nginx"):
        yield Want(large, "", lacking, None, rate, " times")
        yield Want(small, "", lacking, None, more, " ms", most=True)
        return
    with _made(bench, 1) as made:
        for title, size, commands, runs in made.fetches():
            found = interleaved(commands, runs)
            ours, theirs = found["ours"], found["wget"]
            sides = f"{size / 1e6:.2g} MB: {ours}", f"wget {theirs}"
            if title == "large":
                yield Want(large, *sides, theirs.seconds / ours.seconds, rate, " times")
            else:
                yield Want(small, *sides, (ours.seconds - theirs.seconds) * 1000, more, " ms", most=True)
