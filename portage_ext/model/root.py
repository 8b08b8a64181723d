"""A root: the keys that may sign the Releases of a repository, signed by offline keys. Only the value; trust/ checks it."""

from __future__ import annotations

from portage_ext.records import record


@record
class Root:
    """One delegation. Times are seconds since the epoch; keys are fingerprints of primary keys in upper-case hex, sorted.

    ``root_threshold`` of ``root_keys`` must sign this root and the one after it, ``release_threshold`` of ``release_keys``
    each Release. No Release with a version below ``least_release`` is valid, whatever its signatures.
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
