"""Each captured target is a readable directory on disk, and a new capture replaces the current one with a single rename.

::

    EROOT/var/lib/portage-ext/targets/      mode 0700, because the configuration of another host is private
      laptop -> laptop.d/2                  the current capture; the directory before it is kept for `target diff`
      laptop.d/2/target.json                the capture as received
      laptop.d/2/etc/portage/…              the same capture as configuration files for an environment
      laptop.d/pinned                       `builds gc` keeps the layers over the environment of this target
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext import files
from portage_ext.errors import UsageError
from portage_ext.errors.builds import CaptureError, TargetError
from portage_ext.limits import builds as limits

# The service side of requests starts for each client, and only asks which capture is the current one: what reads and writes
# captures is imported where that is done.
if TYPE_CHECKING:
    from portage_ext.targets.capture import Target

DIRECTORY: Final = "var/lib/portage-ext/targets"
DOCUMENT: Final = "target.json"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+-]{0,63}")
_KEPT: Final = 2


def checked_name(name: str) -> str:
    """Return ``name`` if it is a valid name for a target. Raises UsageError otherwise."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a target: letters, digits and _ + - only")
    return name


@dataclass(frozen=True, slots=True)
class Store:
    """The targets that this host knows, below ``eroot``."""

    eroot: Path

    @property
    def directory(self) -> Path:
        return self.eroot / DIRECTORY

    def names(self) -> list[str]:
        """The names of all targets, sorted. Raises OSError."""
        if not self.directory.is_dir():
            return []
        return sorted(path.name for path in self.directory.iterdir() if path.is_symlink() and _NAME.fullmatch(path.name))

    def load(self, name: str) -> Target:
        """Read the target ``name``. Raises TargetError, CaptureError, OSError, UsageError."""
        return self._read(self.directory / checked_name(name), name)

    def before(self, name: str) -> Target | None:
        """The capture before the current one; None if there is none. Raises the errors of :meth:`load`."""
        older = [path for path in self._captures(name) if path.name != self._current(name)]
        return self._read(older[-1], name) if older else None

    def save(self, name: str, target: Target) -> None:
        """Make ``target`` the current capture of ``name``; the capture before it is kept. Raises OSError, CaptureError."""
        import shutil

        files.make_directory(self.directory, 0o700)
        counts = self._current(checked_name(name))
        for never in [path for path in self._captures(name) if int(path.name) > int(counts or 0)]:
            shutil.rmtree(never)  # left by an earlier run that was killed before the rename
        number = int(counts or 0) + 1
        place = self.directory / f"{name}.d" / str(number)
        files.make_directory(place.parent, 0o700)
        aside = place.with_name(f".{number}.new")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(0o700)
        for path, data in {DOCUMENT: target.emit(), **laid_out(target)}.items():
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            (aside / path).write_bytes(data)
        files.sync_filesystem(aside)
        os.rename(aside, place)
        files.replace_link(self.directory / name, f"{place.parent.name}/{number}")
        for old in self._captures(name)[:-_KEPT]:
            shutil.rmtree(old)

    def pin(self, name: str, *, pinned: bool = True) -> None:
        """Pin the target ``name``, or unpin it. Raises TargetError, OSError, UsageError."""
        if not (self.directory / checked_name(name)).is_symlink():
            raise self._unknown(name)
        if pinned:
            self._pin(name).touch(0o600)
        else:
            self._pin(name).unlink(missing_ok=True)

    def is_pinned(self, name: str) -> bool:
        """Whether the target ``name`` is pinned. Raises UsageError."""
        return self._pin(checked_name(name)).exists()

    def forget(self, name: str) -> None:
        """Remove the target ``name`` and its captures. Raises TargetError, OSError, UsageError."""
        import shutil

        link = self.directory / checked_name(name)
        if not link.is_symlink():
            raise self._unknown(name)
        link.unlink()
        shutil.rmtree(self.directory / f"{name}.d", ignore_errors=True)

    def _pin(self, name: str) -> Path:
        return self.directory / f"{name}.d" / "pinned"

    def _read(self, place: Path, name: str) -> Target:
        from portage_ext.targets import capture

        try:
            with (place / DOCUMENT).open("rb") as file:
                return capture.parse(file.read(limits.CAPTURE_SIZE + 1), str(place / DOCUMENT))
        except FileNotFoundError:
            raise self._unknown(name) from None

    def _unknown(self, name: str) -> TargetError:
        known = ", ".join(self.names()) or "none yet"
        return TargetError(
            name, f"there is none of this name (known: {known}); make it with `portage-ext target capture {name}`"
        )

    def _captures(self, name: str) -> list[Path]:
        place = self.directory / f"{name}.d"
        found: list[Path] = []
        with contextlib.suppress(FileNotFoundError):
            found = [path for path in place.iterdir() if path.name.isascii() and path.name.isdigit()]
        return sorted(found, key=lambda path: int(path.name))

    def _current(self, name: str) -> str:
        return os.path.basename(os.readlink(self.directory / name)) if (self.directory / name).is_symlink() else ""


def laid_out(target: Target) -> dict[str, bytes]:
    """The files below the root of a system with the configuration of ``target``, by path. Raises CaptureError."""
    found = dict(target.files)
    if target.make_conf:
        found["etc/portage/make.conf"] = assignments(target.make_conf, "make.conf")
    for name, values in target.env_files.items():
        found[f"etc/portage/env/{name}"] = assignments(values, f"env/{name}")
    return found


def assignments(values: Mapping[str, str], where: str) -> bytes:
    """A make.conf that sets ``values``. Raises CaptureError for a value that make.conf cannot hold."""
    return "".join(_lines(values, where)).encode()


def _lines(values: Mapping[str, str], where: str) -> Iterator[str]:
    yield "# Written by portage-ext from a capture; the next capture replaces it.\n"
    for name, value in sorted(values.items()):
        # portage.util.getconfig parses the text twice: first as a shell word, then to expand $NAME.
        if "\\" in value or ("'" in value and "$" in value):
            raise CaptureError(
                where, f"{name} has a value that make.conf cannot hold in a way that is read back alike: {value!r}"
            )
        quoted = " ".join(value.split()).replace('"', '\\"').replace("$", "\\\\$")
        yield f'{name}="{quoted}"\n'
