"""A line in binrepos.conf makes portage-ext the fetcher of a binrepo. If binrepos.conf is a directory, it gets its own file.

Portage merges a section over all files of the directory, key by key; files with later names win (portage(5)). So the
administrator's files are not changed, and removing our file undoes everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from portage_ext import files, limits

BINREPOS: Final = "etc/portage/binrepos.conf"


def command_line(binrepo: str, *, resume: bool = False) -> str:
    """The line that makes ``portage-ext fetch`` the fetcher of ``binrepo``. Portage fills in the variables."""
    return (
        f"{'resumecommand' if resume else 'fetchcommand'} = portage-ext fetch --repo {binrepo} "
        '--root "%(EROOT)s" --config-root "%(PORTAGE_CONFIGROOT)s" '
        f'--uri "${{URI}}" --output "${{DISTDIR}}/${{FILE}}"{" --resume" if resume else ""}'
    )


class Fetch(NamedTuple):
    """What a fetchcommand as :func:`command_line` writes it asks for, with the variables filled in."""

    repo: str
    root: str
    config_root: str
    uri: str
    output: str
    resume: bool


_WORDS: Final = ("--repo", "--root", "--config-root", "--uri", "--output")


def as_written(words: Sequence[str]) -> Fetch | None:
    """What ``words`` (after the name of the program) ask for; None if they are no fetchcommand as :func:`command_line` writes
    it, but perhaps one that an administrator has changed."""
    values = words[2:11:2]
    if (
        list(words[:1]) != ["fetch"]
        or tuple(words[1:11:2]) != _WORDS
        or len(values) != len(_WORDS)
        or list(words[11:]) not in ([], ["--resume"])
        or any(not value or value.startswith("-") for value in values)
    ):
        return None
    repo, root, config_root, uri, output = values
    return Fetch(repo, root, config_root, uri, output, len(words) > 11)


def section(binrepo: str) -> str:
    """The section that connects ``binrepo``."""
    return f"[{binrepo}]\n{command_line(binrepo)}\n{command_line(binrepo, resume=True)}\n"


def drop_in(config_root: Path, binrepo: str) -> Path:
    """The file for the section of ``binrepo`` if binrepos.conf is a directory."""
    return config_root / BINREPOS / f"zz-portage-ext-{binrepo}.conf"


def connect(config_root: Path, binrepo: str) -> bool:
    """Write the section of ``binrepo``. False if binrepos.conf is not a directory; then a person must. Raises OSError."""
    if not (config_root / BINREPOS).is_dir():
        return False
    text = f"# Written by `portage-ext trust add`, removed by `portage-ext trust remove`.\n{section(binrepo)}"
    files.replace_file(drop_in(config_root, binrepo), text.encode())
    return True


def disconnect(config_root: Path, binrepo: str) -> None:
    """Remove the section of ``binrepo`` if it is ours. Raises OSError."""
    drop_in(config_root, binrepo).unlink(missing_ok=True)


def mistakes(config_root: Path) -> list[tuple[str, str]]:
    """Why Portage cannot read binrepos.conf: ``file:line`` and reason. For a duplicate section or key it ignores the whole
    configuration, and a bare percent sign causes a traceback (portage(5) uses the rules of configparser)."""
    import configparser

    found: list[tuple[str, str]] = []
    for path in _files(config_root):
        # The names that Portage fills in; their values do not matter here.
        parser = configparser.ConfigParser(dict.fromkeys(("EPREFIX", "EROOT", "PORTAGE_CONFIGROOT", "ROOT", "SYSROOT"), ""))
        try:
            text = _text(path)
            lines = text.split("\n")
            long = next((number for number, line in enumerate(lines, 1) if len(line) > limits.CONFIG_LINE), 0)
            # configparser takes time by the square of a line, and of the number of those that are no settings.
            if len(lines) > limits.CONFIG_LINES:
                found.append((str(path), f"more than {limits.CONFIG_LINES} lines"))
                continue
            if long:
                found.append((f"{path}:{long}", f"a line of more than {limits.CONFIG_LINE} characters"))
                continue
            parser.read_string(text, str(path))
            for name in parser.sections():
                parser.items(name)
        except configparser.InterpolationError as error:
            number = next((number for number, key in _settings(path, error.section) if key == error.option), 0)
            found.append((f"{path}:{number}" if number else str(path), f"{error.message}; write a percent sign as %%"))
        except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
            found.append((f"{path}:{error.lineno}", error.message.rpartition("]: ")[2]))
        except configparser.MissingSectionHeaderError as error:
            found.append((f"{path}:{error.lineno}", "a setting without a [section] above it"))
        except configparser.ParsingError as error:
            found.append((f"{path}:{error.errors[0][0]}", f"neither a [section] nor a setting: {error.errors[0][1]}"))
        except OSError as error:
            found.append((str(path), error.strerror or str(error)))
    return found


def place(config_root: Path, section: str, key: str) -> str:
    """``file:line`` where ``key`` of ``section`` is set last, or else where the section begins. Empty: nowhere."""
    begins = sets = ""
    for path in _files(config_root):
        for number, name in _settings(path, section):
            begins, sets = (f"{path}:{number}", sets) if not name else (begins, f"{path}:{number}" if name == key else sets)
    return sets or begins


def _files(config_root: Path) -> list[Path]:
    """The files of binrepos.conf in the order in which Portage reads them."""
    where = config_root / BINREPOS
    paths = sorted(one for one in where.rglob("*") if one.is_file()) if where.is_dir() else [where]
    return [one for one in paths if one.is_file() and not one.name.startswith(".") and not one.name.endswith("~")]


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(limits.CONFIG_FILE_SIZE)


def _settings(path: Path, section: str) -> Iterator[tuple[int, str]]:
    """Line and key of each setting of ``section``; the line of the section itself has an empty key."""
    current = ""
    for number, line in enumerate(_text(path).splitlines(), 1):
        if line.startswith("["):
            current = line[1:].partition("]")[0]
            if current == section:
                yield number, ""
        elif current == section and line[:1].strip() not in ("", "#", ";"):
            yield number, re.split("[=:]", line, maxsplit=1)[0].strip().lower()
