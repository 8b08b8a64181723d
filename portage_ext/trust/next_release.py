"""The next Release of a repository is a pure function of the last Release, the index and the time."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from portage_ext import limits
from portage_ext.errors.trust import MalformedReleaseError
from portage_ext.model.digest import Hash, blake2b
from portage_ext.model.release import INDEX_FORMS, PLAIN_FORM, IndexFile, Release


def index_files(forms: Mapping[str, bytes]) -> tuple[IndexFile, ...]:
    """The Index lines of a Release for ``forms`` (file name to content); the uncompressed form comes first."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return index_files_begun({name: (data,) for name, data in forms.items()}, threads)()


def index_files_begun(
    forms: Mapping[str, Sequence[bytes | memoryview]], threads: Executor
) -> Callable[[], tuple[IndexFile, ...]]:
    """The same for forms in parts; ``threads`` begin to hash them at once, and the result waits for them."""
    order = [name for name in (PLAIN_FORM, *(one for one in INDEX_FORMS if one != PLAIN_FORM)) if name in forms]
    # A digest lets go of the interpreter, and an index of 30,000 packages has 50 MB.
    sha512 = [threads.submit(_digest, hashlib.sha512(), forms[name]) for name in order]
    strong = [threads.submit(_digest, blake2b(), forms[name]) for name in order]

    def done() -> tuple[IndexFile, ...]:
        return tuple(
            IndexFile(name, sum(map(len, forms[name])), one.result(), other.result())
            for name, one, other in zip(order, strong, sha512, strict=True)
        )

    return done


def _digest(made: Hash, parts: Sequence[bytes | memoryview]) -> str:
    for part in parts:
        made.update(part)
    return made.hexdigest()


def next_release(
    before: Release | None,
    files: Sequence[IndexFile],
    *,
    now: int,
    validity: int,
    channel: str,
    keys_next: tuple[str, ...] | None = None,
    at_least: int = 1,
    repository: str | None = None,
) -> Release:
    """The Release that follows ``before`` (None: the first one of ``repository``, or of a new repository with a new id).

    ``now`` (since the epoch) and ``validity`` are in seconds. If ``keys_next`` is None, the keys that ``before`` announced are
    announced again. The version is at least ``at_least``. Raises MalformedReleaseError if the clock went back or the version is
    already the highest possible one.
    """
    if before is not None and before.created > now + limits.CLOCK_SKEW:
        raise MalformedReleaseError("Release", "the one before was created in the future; look at this host's clock")
    version = max(at_least, 1 if before is None else before.version + 1)
    if version > limits.MAX_RELEASE_VERSION:
        raise MalformedReleaseError("Release", f"version {version} is out of range")
    return Release(
        repository=before.repository if before is not None else repository or uuid.uuid4().hex,
        channel=channel,
        version=version,
        created=now,
        expires=now + validity,
        keys_next=keys_next if keys_next is not None else () if before is None else before.keys_next,
        files=tuple(files),
    )


def needs_renewal(release: Release, now: int) -> bool:
    """Whether more than half of the validity of ``release`` is over."""
    return now - release.created > (release.expires - release.created) // 2
