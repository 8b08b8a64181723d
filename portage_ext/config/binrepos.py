"""One line of binrepos.conf makes our fetcher that of a binrepo; in a directory it stands in a file of its own.

Portage merges a section over all files of the directory, key by key, later names win (portage(5)); so nothing that the
administrator wrote is touched, and taking the file away takes everything back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from portage_ext import files

BINREPOS: Final = "etc/portage/binrepos.conf"


def command_line(binrepo: str, *, resume: bool = False) -> str:
    """The line that makes ``portage-ext fetch`` the fetcher of ``binrepo``; Portage puts in the variables."""
    return (
        f"{'resumecommand' if resume else 'fetchcommand'} = portage-ext fetch --repo {binrepo} "
        '--root "%(EROOT)s" --config-root "%(PORTAGE_CONFIGROOT)s" '
        f'--uri "${{URI}}" --output "${{DISTDIR}}/${{FILE}}"{" --resume" if resume else ""}'
    )


def section(binrepo: str) -> str:
    """The section that connects ``binrepo``."""
    return f"[{binrepo}]\n{command_line(binrepo)}\n{command_line(binrepo, resume=True)}\n"


def drop_in(config_root: Path, binrepo: str) -> Path:
    """Where the section of ``binrepo`` stands when binrepos.conf is a directory."""
    return config_root / BINREPOS / f"zz-portage-ext-{binrepo}.conf"


def connect(config_root: Path, binrepo: str) -> bool:
    """Write the section of ``binrepo``. False when binrepos.conf is no directory: then a person must. Raises OSError."""
    if not (config_root / BINREPOS).is_dir():
        return False
    text = f"# Written by `portage-ext trust add`, removed by `portage-ext trust remove`.\n{section(binrepo)}"
    files.replace_file(drop_in(config_root, binrepo), text.encode())
    return True


def disconnect(config_root: Path, binrepo: str) -> None:
    """Take the section of ``binrepo`` away, if it is ours. Raises OSError."""
    drop_in(config_root, binrepo).unlink(missing_ok=True)


def mistakes(config_root: Path) -> list[tuple[str, str]]:
    """What keeps Portage from reading binrepos.conf: file and reason. Of a double section or key it drops the whole
    configuration, and a bare percent sign ends it with a traceback (portage(5) has configparser's rules)."""
    import configparser

    place = config_root / BINREPOS
    paths = sorted(one for one in place.rglob("*") if one.is_file()) if place.is_dir() else [place]
    found: list[tuple[str, str]] = []
    for path in (one for one in paths if one.is_file() and not one.name.startswith(".") and not one.name.endswith("~")):
        # The names that Portage puts in; what they stand for does not matter here.
        parser = configparser.ConfigParser(dict.fromkeys(("EPREFIX", "EROOT", "PORTAGE_CONFIGROOT", "ROOT", "SYSROOT"), ""))
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                parser.read_file(file, str(path))
            for name in parser.sections():
                parser.items(name)
        except (configparser.Error, OSError) as error:
            found.append((str(path), " ".join(str(error).split())))
    return found
