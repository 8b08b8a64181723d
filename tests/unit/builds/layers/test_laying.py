"""Contents come from other layers, published packages or the host, and from each only if the digest is the listed one."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from portage_ext.builds.layers.laying import Came, Laying
from portage_ext.builds.layers.stack import Stack, place, read, recipe
from portage_ext.builds.layers.store import Layers
from portage_ext.errors.builds import CaptureError, TargetError
from portage_ext.targets.copying.listing import LAYERS, Entry, digest


def file(path: str, data: bytes) -> Entry:
    value = hashlib.blake2b(data, digest_size=32).hexdigest()
    return Entry("state", path, "f", 0o640, os.getuid(), os.getgid(), 1_700_000_000, len(data), value)


def rest(path: str, kind: str, value: str = "") -> Entry:
    return Entry("state", path, kind, 0o755, os.getuid(), os.getgid(), 0, 0, value)  # type: ignore[arg-type]


ENTRIES = [rest("usr", "d"), rest("usr/link", "l", "one"), file("usr/one", b"first"), file("usr/two", b"second")]


@dataclass
class Host:
    """A stand-in for the session: units have no host. ``data`` are the contents that it sends."""

    data: dict[str, bytes]
    where: str = "laptop"
    entries: list[Entry] = field(default_factory=lambda: ENTRIES)
    asked: list[int] = field(default_factory=list)

    def contents(self, numbers: Sequence[int]) -> Iterator[tuple[Entry, IO[bytes]]]:
        self.asked += numbers
        for number in numbers:
            yield self.entries[number], io.BytesIO(self.data[self.entries[number].path])


GOOD = {"usr/one": b"first", "usr/two": b"second"}


def lay(layers: Layers, laying: Laying, entries: Sequence[Entry] = ENTRIES) -> Path:
    with layers.layer(recipe(digest(entries)), partial(laying.lay, entries)) as tree:
        return tree


def test_all_of_it_comes_from_the_host_at_first(tmp_path: Path) -> None:
    host = Host(GOOD)
    laying = Laying(Layers(tmp_path), host, {})
    tree = lay(Layers(tmp_path), laying)
    assert {path: (tree / path).read_bytes() for path in GOOD} == GOOD
    assert os.readlink(tree / "usr/link") == "one"
    found = (tree / "usr/one").stat()
    assert (found.st_mode & 0o777, found.st_mtime) == (0o640, 1_700_000_000)
    assert (tree / "usr").stat().st_mode & 0o777 == 0o755
    assert (host.asked, laying.came) == ([2, 3], Came(host=11))
    # The same content exists, whoever asks for it.
    assert lay(Layers(tmp_path), Laying(Layers(tmp_path), Host({}), {})) == tree


def test_what_another_layer_or_a_published_package_has_is_not_asked_for(tmp_path: Path) -> None:
    store = Layers(tmp_path)
    lay(store, Laying(store, Host(GOOD), {}))
    third = file("usr/three", b"third")
    entries = [rest("usr", "d"), file("usr/elsewhere", b"first"), third, file("usr/made", b"made")]
    published = [("usr/three", io.BytesIO(b"third")), ("usr/strange", io.BytesIO(b"strange"))]
    laying = Laying(store, Host({}), {"usr/made": b"made"}, lambda: published)
    tree = lay(store, laying, entries)
    assert (tree / "usr/elsewhere").read_bytes() == b"first"
    assert laying.came == Came(layers=5, packages=5)


def test_a_published_package_or_layer_with_another_content_is_not_believed(tmp_path: Path) -> None:
    store = Layers(tmp_path)
    tree = lay(store, Laying(store, Host(GOOD), {}))
    (tree / "usr/one").write_bytes(b"fIrst")
    entries = [rest("usr", "d"), file("usr/one", b"first"), file("usr/two", b"second longer")]
    host = Host({"usr/one": b"first", "usr/two": b"second longer"}, entries=entries)
    laying = Laying(store, host, {}, lambda: [("usr/two", io.BytesIO(b"second other and longer"))])
    assert (lay(store, laying, entries) / "usr/two").read_bytes() == b"second longer"
    assert host.asked == [1, 2]


@pytest.mark.parametrize("data", [b"First", b"firs", b"first!"])
def test_what_the_host_sends_otherwise_than_listed_is_refused(tmp_path: Path, data: bytes) -> None:
    layers = Layers(tmp_path)
    with pytest.raises(CaptureError, match="usr/one was changed while it was copied"):
        lay(layers, Laying(layers, Host(GOOD | {"usr/one": data}), {}))
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_stack_is_read_back_and_names_what_is_lost(tmp_path: Path) -> None:
    layers = Layers(tmp_path / "layers")
    tree = lay(layers, Laying(layers, Host(GOOD), {}))
    stack = Stack(layers.directory, dict.fromkeys(LAYERS, digest(ENTRIES)), "ssh:laptop")
    where = place(tmp_path, "laptop")
    stack.save(where)
    assert read(where, "laptop") == stack
    assert stack.missing() == []
    (tree / "usr/one").unlink()
    assert stack.missing() == ["config", "state", "base"]
    where.write_text("{}")
    with pytest.raises(TargetError, match="make it again with `portage-ext target copy laptop`"):
        read(where, "laptop")
