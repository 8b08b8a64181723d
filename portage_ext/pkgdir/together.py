"""Usual packages are read together, because digests of many files cost far less side by side than one after another.

What this module accepts is what :func:`entry.read_one` accepts, with the same entry. Whatever it does not accept, for whatever
reason, it leaves to that function, which says why. So every refusal has one author.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from portage_ext import limits
from portage_ext.errors import PackageError
from portage_ext.gpkg.container import covered, read_container
from portage_ext.gpkg.source import Source, open_package
from portage_ext.model import GPKG_SUFFIX, STRONG
from portage_ext.model.digest import many
from portage_ext.pkgdir.entry import Described, Indexed, ReadPlan, describe_gpkg
from portage_ext.pkgdir.signatures import Signed
from portage_ext.records import record


@record(frozen=False)
class _Read:
    """A package in memory, whose digests are not known yet. ``members`` are the bytes that its Manifest covers, and ``said``
    what it says of them, by algorithm.
    """

    path: str
    data: memoryview
    described: Described
    signed: Signed | None
    members: list[memoryview]
    said: dict[str, list[str]]


_free: list[memoryview] = []
"""Memory that packages are read to; kept, because new memory costs more than to fill it. Each user takes it out."""


def read_together(paths: Sequence[str], plan: ReadPlan) -> dict[str, tuple[Indexed, Signed | None]]:
    """What :func:`entry.read_one` returns, for those of ``paths`` that are gpkgs of usual size with nothing wrong."""
    found: dict[str, tuple[Indexed, Signed | None]] = {}
    try:
        memory = _free.pop()
    except IndexError:
        memory = memoryview(bytearray(limits.TOGETHER_BYTES))
    waiting: list[_Read] = []
    used = 0
    for path in paths:
        if not path.endswith(GPKG_SUFFIX) or not path.isprintable():
            continue
        if used + limits.TOGETHER_SIZE > len(memory):
            found.update(_finished(waiting, plan))
            waiting, used = [], 0
        read = _read(path, plan, memory[used : used + limits.TOGETHER_SIZE])
        if read is not None:
            waiting.append(read)
            used += len(read.data)
    found.update(_finished(waiting, plan))
    _free.append(memory)
    return found


def _read(path: str, plan: ReadPlan, memory: memoryview) -> _Read | None:
    try:
        fd = open_package(f"{plan.pkgdir}/{path}", path)
    except PackageError:
        return None
    try:
        if os.fstat(fd).st_size > len(memory):
            return None
        source = Source(fd, path, memory)
        data = source.whole
        if data is None:
            return None
        # Everything below comes from memory. A file that was written to while it was read is left to the other reader.
        source.unchanged()
        container = read_container(source)
        described, signed = describe_gpkg(path, source, container, plan)
    except (PackageError, OSError):
        return None
    finally:
        os.close(fd)
    members: list[memoryview] = []
    said: dict[str, list[str]] = {name: [] for name in STRONG}
    for _, member, stated in covered(container, image=False):
        members.append(data[member.offset : member.offset + member.size])
        said["BLAKE2B"].append(stated.blake2b)
        said["SHA512"].append(stated.sha512)
    return _Read(path, data, described, signed, members, said)


def _finished(packages: Sequence[_Read], plan: ReadPlan) -> Iterator[tuple[str, tuple[Indexed, Signed | None]]]:
    """Those of ``packages`` whose members match their Manifests, with the digests of their files."""
    members = [member for one in packages for member in one.members]
    files = [one.data for one in packages]
    of_files: dict[str, list[str]] = {}
    right = [True] * len(packages)
    for name in dict.fromkeys((*plan.format.digests, *STRONG)):
        whole, parts = name in plan.format.digests, name in STRONG
        values = many(name, [*(files if whole else ()), *(members if parts else ())])
        if whole:
            of_files[name] = values[: len(files)]
            del values[: len(files)]
        if parts:
            at = 0
            for number, one in enumerate(packages):
                said = one.said[name]
                right[number] = right[number] and values[at : at + len(said)] == said
                at += len(said)
    for number, one in enumerate(packages):
        if right[number]:
            try:
                indexed = one.described.indexed({name: of_files[name][number] for name in plan.format.digests}, plan)
            except PackageError:
                continue
            yield one.path, (indexed, one.signed)
