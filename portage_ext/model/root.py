"""A root: which keys may sign the Releases of a repository, said by keys that are kept offline. A value; trust/ judges it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Root:
    """One delegation. Times are seconds since the epoch; keys are fingerprints of primary keys in upper-case hex, sorted.

    ``root_threshold`` of ``root_keys`` must sign this root and the one after it, ``release_threshold`` of ``release_keys``
    each Release. No Release with a version below ``least_release`` counts, whoever signed it.
    """

    repository: str
    version: int
    created: int
    expires: int
    least_release: int
    root_threshold: int
    root_keys: tuple[str, ...]
    release_threshold: int
    release_keys: tuple[str, ...]
