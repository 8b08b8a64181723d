"""A program in the place of gpg that accepts every text, and is killed at some."""

from __future__ import annotations

from pathlib import Path
from typing import Final

KEY: Final = "0123456789ABCDEF0123456789ABCDEF01234567"
_PROGRAM: Final = f"""#!/bin/sh
say() {{ echo "[GNUPG:] $1"; echo "[GNUPG:] $1" >&2; }}
for one; do
    case $one in
    /proc/self/fd/*)
        say "FILE_START 1 $one"
        say NEWSIG
        read -r text <"$one"
        case $text in
        crash) kill -9 $$ ;;
        once) mkdir "$0.once" 2>/dev/null && kill -9 $$ ;;
        esac
        say "GOODSIG {KEY[-16:]} somebody"
        say "VALIDSIG {KEY} 2026-01-01 1767225600 0 4 0 22 10 01 {KEY}"
        say "TRUST_ULTIMATE 0 pgp"
        say "FILE_DONE"
        ;;
    esac
done
"""


def crashing_gpg(directory: Path) -> Path:
    """The program ``gpg`` in ``directory``: killed at a text "crash", and the first time at a text "once"."""
    program = directory / "gpg"
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    return program
