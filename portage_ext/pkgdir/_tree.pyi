"""The C module ``_tree.c``; it is missing where no C compiler was there when portage-ext was installed."""

def listed(
    top: str, suffixes: tuple[str, ...], deepest: int, /
) -> list[tuple[str, tuple[int, int], list[str], list[tuple[str, int, int, int]]]] | None:
    """Each directory of the tree at ``top``, in the order of the walk: its path relative to ``top``, mtime in ns and inode, its
    directories, and its packages. None if anything is not as usual, such as a directory that cannot be read or is nested
    ``deepest`` levels deep.
    """

def stamps(top: str, directories: list[str], /) -> list[tuple[int, int] | None]:
    """Mtime in ns and inode of each of ``directories``, which are relative to ``top``; None for what is no directory."""
