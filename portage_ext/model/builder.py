"""How a host builds: ``builder.json`` of a release, and the same values of a client to compare with.

Only the values named here are published: no complete make.conf, no home directory, no token. Reading is bounded, and control
characters are refused, so that every text can be printed. Two hosts with the same configuration produce the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import InvalidBuilderError, UnreadableBuilderError
from portage_ext.model import release
from portage_ext.model.document import table
from portage_ext.records import field, record

NAME: Final = "builder.json"
HEADER: Final = "BUILDER"
"""The key in the index header that binds it; the Release binds the index (docs/adr/0802)."""
FORMAT: Final = "portage-ext-builder-1"
_BOUND: Final = re.compile(r"builder\.json (0|[1-9][0-9]{0,8}) BLAKE2B ([0-9a-f]{128}) SHA512 ([0-9a-f]{128})")

Texts = tuple[str, ...]


@record
class Builder:
    """The configuration that decides whether another host can use a binary. Lists are in the order in which they count."""

    portage_ext: str = ""
    portage: str = ""
    profile: str = ""
    """The profile below its repository's ``profiles``, after the repository's name: ``gentoo:default/linux/amd64/23.0``."""
    arch: str = ""
    chost: str = ""
    accept_chosts: Texts = ()
    """Patterns of the CHOSTs whose binaries are accepted; empty: its own."""
    cflags: Texts = ()
    cxxflags: Texts = ()
    ldflags: Texts = ()
    march: Texts = ()
    """What CFLAGS choose of the CPU, ``-march=native`` resolved where the builder runs."""
    cpu_needs: Texts = ()
    """The features of the CPU that code compiled so needs (policy/cpu.py); empty when the builder could not tell."""
    cpu_level: int = 0
    """The level of x86-64 that has all of them, 0 when none has, or for another machine."""
    cpu_flags: Texts = ()
    """What the builder's own CPU offers, as CPU_FLAGS_X86."""
    accept_keywords: Texts = ()
    accept_license: Texts = ()
    use: Texts = ()
    """The flags that are on for every package, without those of ``use_expand``."""
    use_expand: Mapping[str, Texts] = field(default_factory=dict)
    package_use: Mapping[str, Texts] = field(default_factory=dict)
    """Atom to flags, as package.use has them."""
    world: Texts = ()
    sets: Texts = ()
    features: Texts = ()
    binpkg_format: str = ""
    binpkg_compress: str = ""
    toolchain: Mapping[str, Texts] = field(default_factory=dict)
    """Package to its installed versions: gcc, clang and the C library."""

    def emit(self) -> bytes:
        """The bytes to publish, after a check that clients accept them. Raises UnreadableBuilderError."""
        values = {name: _plain(getattr(self, name)) for name in Builder.__match_args__}
        data = json.dumps({"format": FORMAT, **values}, indent=1, sort_keys=True, ensure_ascii=True).encode() + b"\n"
        try:
            parse(data, NAME)
        except InvalidBuilderError as error:
            raise UnreadableBuilderError(f"{error.where}: {error.why}") from error
        return data


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: list(texts) for key, texts in value.items()}
    return list(value) if isinstance(value, tuple) else value


def binding(data: bytes) -> str:
    """The value of the index header for a builder.json with these bytes."""
    return release.binding(NAME, data)


def bound_size(text: str, where: str) -> int:
    """The size in bytes that a header announces. Raises InvalidBuilderError."""
    match = _BOUND.fullmatch(text)
    if match is None or int(match[1]) > limits.BUILDER_SIZE:
        raise InvalidBuilderError(where, f"the index header has {text[:80]!r} for it, which is not a size and two digests")
    return int(match[1])


def parse(data: bytes, where: str) -> Builder:
    """Read a builder.json. Unknown keys are ignored; missing values are empty. Raises InvalidBuilderError."""
    try:
        document = table(data, FORMAT, limits.BUILDER_SIZE)
    except ValueError as error:
        raise InvalidBuilderError(where, str(error)) from error
    values: dict[str, object] = {}
    for name in Builder.__match_args__:
        if name in document:
            values[name] = _checked(document[name], Builder.__annotations__[name], f"{where}: {name}")
    return Builder(**values)  # type: ignore[arg-type]


def read(path: Path) -> Builder:
    """The builder.json at ``path``. Raises InvalidBuilderError, OSError."""
    with path.open("rb") as file:
        return parse(file.read(limits.BUILDER_SIZE + 1), str(path))


def _checked(value: object, kind: str, where: str) -> object:
    """``value`` as a field of type ``kind``. Raises InvalidBuilderError."""
    if kind == "str":
        return _text(value, where)
    if kind == "int":
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 9:
            raise InvalidBuilderError(where, "is not a small number")
        return value
    if kind == "Texts":
        return _texts(value, where)
    if not isinstance(value, dict) or len(value) > limits.BUILDER_ITEMS:
        raise InvalidBuilderError(where, "is not a table within bounds")
    return {_text(key, where): _texts(texts, where) for key, texts in value.items()}


def _texts(value: object, where: str) -> Texts:
    if not isinstance(value, list) or len(value) > limits.BUILDER_ITEMS:
        raise InvalidBuilderError(where, "is not a list within bounds")
    return tuple(_text(one, where) for one in value)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > limits.BUILDER_TEXT or not value.isprintable():
        raise InvalidBuilderError(where, "is not a printable text within bounds")
    return value
