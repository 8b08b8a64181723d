"""A capture comes from another host, so every value in it is limited and checked before it becomes a Target."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portage_ext import limits
from portage_ext.errors import InvalidCpvError
from portage_ext.errors.builds import CaptureError
from portage_ext.limits import builds as builds_limits
from portage_ext.model import builder
from portage_ext.model.builder import Builder
from portage_ext.model.cpv import Cpv
from portage_ext.model.document import table
from portage_ext.targets import allowed

FORMAT: Final = "portage-ext-target-1"
_ENV_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.@-]{0,127}(?:/[A-Za-z0-9_][A-Za-z0-9+_.@-]{0,127}){0,3}")
_PROFILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}:[A-Za-z0-9_][A-Za-z0-9+_./-]{0,255}|:[A-Za-z0-9+_./-]{0,255}")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")
"""The name of a repository (PMS 3.1.5)."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[0-9]{0,18}")
_COMMIT: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class Repository:
    """An ebuild repository of the target: its location there, its sync-uri, and its git commit, if it has one."""

    name: str
    location: str
    masters: tuple[str, ...] = ()
    priority: int = 0
    sync_type: str = ""
    sync_uri: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Installed:
    """A package that is installed on the target. ``contents`` is the BLAKE2B digest (256 bits) of its CONTENTS file."""

    cpv: str
    slot: str
    repository: str
    build_id: str
    build_time: str
    use: str
    chost: str
    contents: str


@dataclass(frozen=True, slots=True)
class Target:
    """Everything about another host that decides which packages fit it. ``taken`` is in seconds since the epoch.

    ``make_conf`` and ``env_files`` have the variables of make.conf and of the env files that package.env names. ``profiles``
    are the directories of the profile as ``repository:path``, parents first. ``files`` are the other files by their path below
    the root. ``source`` says where it was captured: ``chroot:DIR``, ``root:DIR``, ``prefix:DIR``, ``ssh:HOST`` or
    ``builder:FILE`` (then only ``builder`` is set). ``eprefix`` is its EPREFIX, and ``emerge`` has the paths of the Python and
    of the script that are its emerge, as seen on that host.
    """

    builder: Builder
    taken: int
    use_expand: tuple[str, ...] = ()
    make_conf: Mapping[str, str] = field(default_factory=dict)
    env_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    repositories: tuple[Repository, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    installed: tuple[Installed, ...] = ()
    source: str = ""
    eprefix: str = ""
    emerge: tuple[str, ...] = ()

    def emit(self) -> bytes:
        """The document that :func:`parse` reads."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "taken": self.taken,
            "builder": json.loads(self.builder.emit()),
            "use_expand": list(self.use_expand),
            "make_conf": dict(self.make_conf),
            "env_files": {name: dict(variables) for name, variables in self.env_files.items()},
            "profiles": list(self.profiles),
            "repositories": [{name: getattr(one, name) for name in Repository.__slots__} for one in self.repositories],
            "files": {path: base64.b64encode(data).decode("ascii") for path, data in self.files.items()},
            "installed": [{name: getattr(one, name) for name in Installed.__slots__} for one in self.installed],
            "source": self.source,
            "eprefix": self.eprefix,
            "emerge": list(self.emerge),
        }
        return json.dumps(values, indent=1, sort_keys=True).encode() + b"\n"


def parse(data: bytes, where: str) -> Target:
    """Parse a capture. ``where`` is the host or file to name in errors. Raises CaptureError, InvalidBuilderError."""
    try:
        document = table(data, FORMAT, builds_limits.CAPTURE_SIZE)
    except ValueError as error:
        raise CaptureError(where, f"what it sent cannot be read: {error}") from error
    if "error" in document:
        raise CaptureError(where, _text(document["error"], where, "error"))
    read = _Reader(document, where)
    use_expand = read.texts("use_expand", allowed.is_use_expand, builds_limits.CAPTURE_LIST)
    return Target(
        builder=builder.parse(json.dumps(document.get("builder")).encode(), where),
        taken=read.number("taken", limits.MAX_TIME),
        use_expand=use_expand,
        make_conf=_variables(read.table("make_conf", builds_limits.CAPTURE_LIST), use_expand, where),
        env_files={
            _matching(_ENV_NAME, name, where, "env_files"): _variables(values, use_expand, where)
            for name, values in read.table("env_files", builds_limits.CAPTURE_FILES).items()
        },
        profiles=read.texts("profiles", lambda text: _PROFILE.fullmatch(text) is not None and ".." not in text, 256),
        repositories=tuple(_repository(one, where) for one in read.items("repositories", 256)),
        files=_files(read.table("files", builds_limits.CAPTURE_FILES), where),
        installed=tuple(_installed(one, where) for one in read.items("installed", builds_limits.CAPTURE_PACKAGES)),
        source=_text(document.get("source", ""), where, "source"),
        eprefix=_place(document.get("eprefix"), where, "eprefix", empty=True),
        emerge=tuple(_place(one, where, "emerge") for one in read.items("emerge", 2)),
    )


class _Reader:
    """Reads values from a document and checks their types. Raises CaptureError."""

    def __init__(self, document: Mapping[str, Any], where: str) -> None:
        self._document, self._where = document, where

    def table(self, name: str, most: int) -> dict[str, Any]:
        value = self._document.get(name)
        if not isinstance(value, dict) or len(value) > most:
            raise CaptureError(self._where, f"{name} is no table within bounds")
        return value

    def items(self, name: str, most: int) -> list[Any]:
        value = self._document.get(name)
        if not isinstance(value, list) or len(value) > most:
            raise CaptureError(self._where, f"{name} is no list within bounds")
        return value

    def texts(self, name: str, fits: Callable[[str], bool], most: int) -> tuple[str, ...]:
        values = tuple(_text(value, self._where, name) for value in self.items(name, most))
        wrong = next((value for value in values if not fits(value)), None)
        if wrong is not None:
            raise CaptureError(self._where, f"{name} cannot be {wrong!r}")
        return values

    def number(self, name: str, most: int) -> int:
        value = self._document.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise CaptureError(self._where, f"{name} is no number within bounds")
        return value


def _variables(values: object, use_expand: tuple[str, ...], where: str) -> dict[str, str]:
    """Read variables by name. All of them must be on the allow-list."""
    if not isinstance(values, dict):
        raise CaptureError(where, "variables are no table")
    texts = {str(name): _text(value, where, str(name), lines=True) for name, value in values.items()}
    if foreign := sorted(texts.keys() - allowed.variables(texts, use_expand).keys()):
        raise CaptureError(where, f"it sent the variable {foreign[0]!r}, which no capture has")
    return texts


def _files(values: Mapping[str, object], where: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path, text in values.items():
        if not allowed.is_allowed(path):
            raise CaptureError(where, f"it sent the file {path!r}, which no capture has")
        try:
            found[path] = base64.b64decode(str(text), validate=True)
        except ValueError as error:
            raise CaptureError(where, f"{path} is not in base64 ({error})") from error
    above = {path.rsplit("/", count)[0] for path in found for count in range(1, path.count("/"))}
    if both := sorted(above & found.keys()):
        raise CaptureError(where, f"{both[0]} is a file and a directory")
    if sum(map(len, found.values())) > builds_limits.CAPTURE_BYTES:
        raise CaptureError(where, f"its files are larger than {builds_limits.CAPTURE_BYTES} bytes")
    return found


def _repository(value: object, where: str) -> Repository:
    if not isinstance(value, dict):
        raise CaptureError(where, "a repository is no table")
    read = _Reader(value, where)
    priority = value.get("priority")
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > 10**6:
        raise CaptureError(where, "the priority of a repository is no number within bounds")
    return Repository(
        name=_matching(_REPOSITORY, value.get("name"), where, "the name of a repository"),
        location=_place(value.get("location"), where, "location"),
        masters=read.texts("masters", lambda text: _REPOSITORY.fullmatch(text) is not None, 64),
        priority=priority,
        sync_type=_text(value.get("sync_type"), where, "sync_type"),
        sync_uri=_text(value.get("sync_uri"), where, "sync_uri"),
        commit=_matching(_COMMIT, value.get("commit"), where, "commit"),
    )


def _installed(value: object, where: str) -> Installed:
    if not isinstance(value, dict):
        raise CaptureError(where, "an installed package is no table")
    return Installed(
        cpv=_cpv(value.get("cpv"), where),
        slot=_text(value.get("slot"), where, "slot"),
        repository=_text(value.get("repository"), where, "repository"),
        build_id=_matching(_NUMBER, value.get("build_id"), where, "BUILD_ID"),
        build_time=_matching(_NUMBER, value.get("build_time"), where, "BUILD_TIME"),
        use=_text(value.get("use"), where, "USE"),
        chost=_text(value.get("chost"), where, "CHOST"),
        contents=_matching(_DIGEST, value.get("contents"), where, "the digest of CONTENTS"),
    )


def _place(value: object, where: str, what: str, *, empty: bool = False) -> str:
    """Check that ``value`` is an absolute path without ``..``; it may be empty only if ``empty`` is True."""
    text = _text(value, where, what)
    if not (empty and not text) and (not text.startswith("/") or ".." in text.split("/")):
        raise CaptureError(where, f"{what} cannot be {text!r}")
    return text


def _cpv(value: object, where: str) -> str:
    text = _text(value, where, "the name of an installed package")
    try:
        return str(Cpv.parse(text))
    except InvalidCpvError as error:
        raise CaptureError(where, str(error)) from error


def _matching(pattern: re.Pattern[str], value: object, where: str, what: str) -> str:
    text = _text(value, where, what)
    if pattern.fullmatch(text) is None:
        raise CaptureError(where, f"{what} cannot be {text!r}")
    return text


def _text(value: object, where: str, what: str, *, lines: bool = False) -> str:
    fits = isinstance(value, str) and len(value) <= builds_limits.CAPTURE_TEXT
    if not fits or not (value.translate({9: " ", 10: " "}) if lines else value).isprintable():  # type: ignore[union-attr, attr-defined]
        raise CaptureError(where, f"{what} is no printable text within bounds")
    assert isinstance(value, str)
    return value
