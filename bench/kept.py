"""What a run of the table has measured, on disk after each part: a run that is ended loses nothing and can be continued."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

from bench.rows.sizes import Sizes
from bench.wanted import Rounds, Want

CHECKOUT: Final = Path(__file__).resolve().parent.parent


def code() -> str:
    """What is measured: the names that git gives to the programs and the benchmarks, and to changes that are not committed."""
    named = _git("rev-parse", "HEAD:portage_ext", "HEAD:bench")
    changed = _git("diff", "HEAD", "--", "portage_ext", "bench")
    return named + changed


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout


class Kept:
    """The wants of each part of each round in the file ``path``, with the lines ``about`` of when and where it was begun."""

    def __init__(self, path: Path, key: Mapping[str, Any], about: Iterable[str], rounds: list[dict[str, list[Want]]]) -> None:
        self._path = path
        self._key = dict(key)
        self._rounds = rounds
        self.about = list(about)

    @classmethod
    def begun(cls, path: Path, sizes: Sizes, about: Iterable[str]) -> Self:
        """An empty one, which takes the place of what ``path`` holds when the first part is put."""
        return cls(path, _key(sizes), about, [])

    @classmethod
    def opened(cls, path: Path, sizes: Sizes) -> Self:
        """What ``path`` holds. ValueError with a sentence if there is none, or if it was measured with other code or sizes."""
        try:
            read = json.loads(path.read_text())
            rounds = [{part: [Want(**want) for want in wants] for part, wants in one.items()} for one in read["rounds"]]
            key, about = dict(read["key"]), [str(line) for line in read["about"]]
        except FileNotFoundError:
            raise ValueError(f"{path}: there is no run to continue") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}: cannot be continued: {error}") from error
        for what, now in _key(sizes).items():
            if key.get(what) != now:
                raise ValueError(f"{path}: cannot be continued: the {what} changed since then")
        return cls(path, key, about, rounds)

    def has(self, round_: int, part: str) -> bool:
        """Whether all rows of ``part`` were measured in the round ``round_``, which is counted from 0."""
        if round_ >= len(self._rounds):
            return False
        wants = self._rounds[round_].get(part, [])
        return bool(wants) and all(want.figure is not None for want in wants)

    def put(self, round_: int, part: str, wants: Iterable[Want]) -> None:
        while len(self._rounds) <= round_:
            self._rounds.append({})
        self._rounds[round_][part] = list(wants)
        rounds = [{name: [asdict(want) for want in found] for name, found in one.items()} for one in self._rounds]
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_text(json.dumps({"key": self._key, "about": self.about, "rounds": rounds}, indent=1))
        os.replace(beside, self._path)

    def rounds(self, parts: Iterable[str], count: int) -> Rounds:
        """The wants of ``parts``, in this order, of the first ``count`` rounds."""
        order = list(parts)
        return [[want for part in order for want in one.get(part, ())] for one in self._rounds[:count]]


def _key(sizes: Sizes) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(asdict(sizes)))
    return {"code": code(), "sizes": values}
