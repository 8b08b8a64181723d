"""Signing, verifying and fetching, beside gpkg-sign, Portage in one process, gpg and wget."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import fetches, trust
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


_LARGE: Final = "fetching a large package, of wget's rate"
_SMALL: Final = "fetching a small package, by a process of its own, above wget"
_EACH: Final = "small packages fetched by one emerge, each above wget"


def fetching(bench: Bench) -> Iterator[Want]:
    count = bench.sizes.fetched
    if lacking := absent("wget", "nginx"):
        yield Want(_LARGE, "", lacking, None, 1, " times")
        yield Want(f"{count} {_EACH}", "", lacking, None, 25, " ms", most=True)
        return
    with _made(bench, 1) as made:
        for title, size, commands, runs in made.fetches():
            found = interleaved(commands, runs)
            ours, theirs = found["ours"], found["wget"]
            sides = f"{size / 1e6:.2g} MB: {ours}", f"wget {theirs}"
            if title == "large":
                yield Want(_LARGE, *sides, theirs.seconds / ours.seconds, 1, " times")
            else:
                yield Want(_SMALL, *sides, (ours.seconds - theirs.seconds) * 1000, unit=" ms", most=True)
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        with fetches.commands(Path(name), count) as commands:
            found = interleaved(commands[:2], bench.sizes.runs)
        ours, theirs = found[fetches.FORKED], found[fetches.WGET]
        more = (ours.seconds - theirs.seconds) * 1000 / count
        yield Want(f"{count} {_EACH}", f"{ours}", f"wget {theirs}", more, 25, " ms", most=True)
