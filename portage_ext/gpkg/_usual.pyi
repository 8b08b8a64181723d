"""The C module ``_usual.c``; it is missing where no C compiler was there when portage-ext was installed."""

def members(data: bytes | bytearray | memoryview, most: int, /) -> list[tuple[str, int, int, int]] | None:
    """The fields of a ``tar.Member`` for each file of an archive; None if not every header has the usual form."""

def values(
    data: bytes | bytearray, prefix: bytes, known: dict[bytes, str], longest: int, most: int, /
) -> dict[str, bytes] | None:
    """What ``tar.read_values`` returns, with the names of ``known`` by their name fields; None as above."""
