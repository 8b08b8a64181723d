"""What a compiler said is remembered as long as it is the same compiler on the same CPU, in a place where only root writes.

Asking gcc takes 10 ms a question and three questions, each time that PKGDIR changes. An answer belongs to the path, size, times
and inode of the program and to the CPU. A program that is a script or a wrapper such as ccache may run another compiler
tomorrow and look the same, so its answers are not kept. Whatever is wrong with the file, the compiler is asked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Final

from portage_ext import files, limits

PLACE: Final = "var/lib/portage-ext/compiler/answers.json"
"""Below EROOT."""
_COMPILER: Final = re.compile(r"(?:[A-Za-z0-9_.-]+-)?(?:gcc|clang)(?:-[0-9.]+)?")
_PROCESSOR: Final = re.compile(r"^(?:vendor_id|cpu family|model|model name|stepping|flags)\s*:.*$", re.MULTILINE)
_FORMAT: Final = 1


def identity(program: str) -> str | None:
    """What tells the compiler ``program``, and the CPU that it runs on, from others; None where that cannot be told."""
    found = shutil.which(program)
    if found is None:
        return None
    real = os.path.realpath(found)
    if not _COMPILER.fullmatch(os.path.basename(real)):
        return None
    try:
        with open(real, "rb") as file:
            status, head = os.fstat(file.fileno()), file.read(4)
        first = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
    except OSError:
        return None
    if head != b"\x7fELF" or not S_ISREG(status.st_mode):
        return None
    processor = hashlib.blake2b("\n".join(_PROCESSOR.findall(first)).encode(), digest_size=16).hexdigest()
    numbers = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return " ".join((real, *map(str, numbers), processor))


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers kept in the file ``path``."""

    path: Path

    @classmethod
    def below(cls, eroot: Path) -> Answers:
        """Those of the host at ``eroot``."""
        return cls(eroot / PLACE)

    def known(self, who: str, question: Sequence[str]) -> str | None:
        """What the compiler with the identity ``who`` said to ``question``; None if that is not known."""
        return self._read().get(_key(who, question))

    def keep(self, who: str, question: Sequence[str], answer: str) -> None:
        """Remember an answer, if this user may."""
        kept = self._read()
        if len(kept) >= limits.COMPILER_ANSWERS:
            kept = {}  # of compilers and CPUs that are no more
        text = json.dumps({"format": _FORMAT, "answers": {**kept, _key(who, question): answer}})
        if len(text) > limits.COMPILER_MEMORY:
            return
        with contextlib.suppress(OSError):
            files.make_directory(self.path.parent)
            if _only_ours(self.path.parent):
                with files.replacing(self.path, lasting=False) as file:
                    file.write(text.encode())

    def _read(self) -> dict[str, str]:
        try:
            if not _only_ours(self.path.parent) or not _only_ours(self.path):
                return {}
            with open(self.path, "rb") as file:
                data = file.read(limits.COMPILER_MEMORY + 1)
            found = json.loads(data) if len(data) <= limits.COMPILER_MEMORY else None
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(found, dict) or found.get("format") != _FORMAT or not isinstance(found.get("answers"), dict):
            return {}
        return {key: value for key, value in found["answers"].items() if isinstance(value, str)}


def _key(who: str, question: Sequence[str]) -> str:
    return "\n".join((who, *question))


def _only_ours(path: Path) -> bool:
    """Whether nobody but root and this user can have written it. Raises OSError."""
    status = os.lstat(path)
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022
