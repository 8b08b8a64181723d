"""A layer is made once, checked before use, made again when it differs, and removed only when nobody uses or pins it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portage_ext.builds.layers.store import Layers

RECIPE = {"environment": "a", "additions": ["b"]}


class Maker:
    """Counts how often a layer is made."""

    def __init__(self, size: int = 10) -> None:
        self.count, self.size = 0, size

    def __call__(self, tree: Path) -> None:
        self.count += 1
        (tree / "usr").mkdir()
        (tree / "usr/file").write_text("x" * self.size)
        (tree / "usr/link").symlink_to("file")


def test_it_is_made_once_and_found_by_what_it_is_made_of(tmp_path: Path) -> None:
    layers, make = Layers(tmp_path), Maker()
    places = []
    for recipe in (RECIPE, dict(reversed(RECIPE.items())), RECIPE | {"environment": "c"}):
        with layers.layer(recipe, make) as tree:
            places.append(tree)
            assert (tree / "usr/file").is_file()
    assert places[0] == places[1] != places[2]
    assert make.count == 2


@pytest.mark.parametrize("how", ["content", "mode", "more", "less", "link", "list"])
def test_one_that_differs_is_made_again(tmp_path: Path, how: str) -> None:
    layers, make = Layers(tmp_path), Maker()
    with layers.layer(RECIPE, make) as tree:
        if how == "content":
            (tree / "usr/file").write_text("other")
        elif how == "mode":
            (tree / "usr/file").chmod(0o4755)
        elif how == "more":
            (tree / "usr/new").touch()
        elif how == "less":
            (tree / "usr/link").unlink()
        elif how == "link":
            (tree / "usr/link").unlink()
            (tree / "usr/link").symlink_to("/etc/passwd")
        else:
            (tree.parent / "files").unlink()
    with layers.layer(RECIPE, make) as tree:
        assert (tree / "usr/file").read_text() == "x" * 10
        assert sorted(os.listdir(tree / "usr")) == ["file", "link"]
        assert os.readlink(tree / "usr/link") == "file"
    assert make.count == 2


def test_what_could_not_be_made_leaves_nothing(tmp_path: Path) -> None:
    def broken(tree: Path) -> None:
        (tree / "half").touch()
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"), Layers(tmp_path).layer(RECIPE, broken):
        pass
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_the_one_that_was_used_longest_ago_goes_first_and_used_or_pinned_ones_stay(tmp_path: Path) -> None:
    layers, make = Layers(tmp_path), Maker(size=100_000)
    names: list[str] = []
    for number in range(4):
        with layers.layer({"number": number}, make) as tree:
            names.append(tree.parent.name)
        os.utime(tree.parent / "used", (number, number))
    (tmp_path / names[0] / "pinned").touch()
    with layers.layer({"number": 1}, make):
        os.utime(tmp_path / names[1] / "used", (1, 1))
        assert layers.keep_within(250_000) == [names[2], names[3]]
    assert layers.keep_within(250_000) == []
    assert layers.keep_within(0) == [names[1]]
    assert Layers(tmp_path / "nothing").keep_within(0) == []


def test_layers_of_environments_go_last_and_pinned_contents_stay(tmp_path: Path) -> None:
    layers, make = Layers(tmp_path), Maker(size=100_000)
    for number, recipe in enumerate(({"content": "a"}, {"content": "b"}, {"number": 1})):
        with layers.layer(recipe, make) as tree:
            pass
        os.utime(tree.parent / "used", (number, number))
    assert layers.keep_within(250_000, (), ("a", "b")) == [layers.tree({"number": 1}).parent.name]
    assert layers.keep_within(0, ("a",), ("a", "b")) == [layers.tree({"content": "b"}).parent.name]
    with layers.held({"content": "a"}) as held:
        assert layers.keep_within(0) == []
        assert layers.is_whole({"content": "a"})
    assert held == layers.tree({"content": "a"})
    with pytest.raises(FileNotFoundError), layers.held({"content": "b"}):
        pass
