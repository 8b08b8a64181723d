"""The C module ``_look.c``; it is missing where no C compiler was there when portage-ext was installed."""

def others(directory: str, record: bytes, /) -> list[bytes]:
    """Those lines ``NAME SIZE MTIME`` of ``record`` whose file below ``directory`` is missing or has another size or time."""

def distinct(record: bytes, /) -> int | None:
    """How many different names ``record`` has; None where that is left to Python."""

def named(text: bytes, /) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]] | None:
    """The block ``text`` of an index with names in the pool, its record, and each name with the path before it.

    None where an entry is not as `portage-ext reindex` writes it.
    """
