"""The C module ``_look.c``; it is missing where no C compiler was there when portage-ext was installed."""

def others(directory: str, record: bytes, /) -> list[bytes]:
    """Those lines ``NAME SIZE MTIME`` of ``record`` whose file below ``directory`` is missing or has another size or time."""
