"""The C module ``_lanes.c``; it is missing where no C compiler was there when portage-ext was installed."""

LEVELS: tuple[str, ...]
"""The levels of instructions that this CPU has, the best one last."""

def digests(algorithm: str, pieces: list[bytes | memoryview], level: int = -1, /) -> list[bytes]:
    """The digest of each of ``pieces``. ``algorithm`` is MD5, SHA1, BLAKE2B or SHA512; ``level`` an index of ``LEVELS``."""
