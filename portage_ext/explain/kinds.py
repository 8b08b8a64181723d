"""Every reason that `why` can give is one row here: its word in the summary, its line in docs/explaining.md, its JSON `kind`.

A new reason is a row and, where the facts that the resolver gives do not have it yet, one module of ``explain/objectors/`` that
the row names. Nothing else lists reasons; tests hold the documentation and every reason in the code to this table.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Final, NamedTuple


class Row(NamedTuple):
    """``word`` is what the summary counts, ``means`` what the documentation says (Markdown).

    ``stops``: emerge stops at it, once it has taken the binary, and does not compile instead. ``objector`` is the module that
    asks for it by itself, with ``EXPECTED`` and ``ask(question)``; empty where it is made of the resolver's facts.
    """

    kind: str
    word: str
    means: str
    stops: bool = False
    objector: str = ""


TABLE: Final = (
    Row(
        "wait",
        "waits for a binary",
        '`BINPKG_ONLY="wait"` in package.env: emerge keeps the installed version until a binary fits; the command compiles it',
    ),
    Row(
        "request",
        "can be built elsewhere",
        "portage-ext.toml names a build service in `[ask]`: the command asks it for the package, and for what that needs",
    ),
    Row(
        "unread",
        "binrepos.conf cannot be read",
        "Portage found a mistake in binrepos.conf and uses none of it, or passes over a section without sync-uri; with "
        "file and line",
    ),
    Row(
        "unreachable",
        "index could not be fetched",
        "the index of its binhost could not be fetched: `why` still shows what it held before; without that, nobody "
        "knows whether there is a binary",
    ),
    Row(
        "refused",
        "index refused",
        "the index of its binhost is not trusted: `why` still shows what it held before",
    ),
    Row(
        "unusable",
        "index cannot be used",
        "Portage cannot use the index of its binhost: no TIMESTAMP, or an unknown VERSION",
    ),
    Row(
        "off",
        "switched off",
        "a line of package.env switches getbinpkg off for it; or an option (`--getbinpkg=n`, also in "
        "EMERGE_DEFAULT_OPTS) or FEATURES in the environment does so for all, and emerge without that is the remedy",
    ),
    Row(
        "unlisted",
        "not whitelisted",
        "no line of package.env lets it in, and getbinpkg is off",
    ),
    Row(
        "binhost",
        "allowed from another binhost only (GETBINPKG_FROM)",
        "GETBINPKG_FROM allows it from other binhosts only",
    ),
    Row(
        "excluded",
        "include and exclude options",
        "an include or exclude option, of the command line, EMERGE_DEFAULT_OPTS or binrepos.conf",
    ),
    Row(
        "xpak",
        "no signature possible (xpak)",
        "a signature is asked for, by verify-signature or FEATURES=binpkg-request-signature, and packages in the old "
        "format cannot carry one: Portage leaves them out; built again as gpkg they can be signed",
        objector="xpak",
    ),
    Row(
        "profile",
        "another profile on the binhost",
        "flags, masks or keywords that would be those of the binary with the profile of the binhost, everything else as "
        "it is here: lines for this package, or the command that changes to that profile, as `eselect profile set` "
        "does; a profile that no repository here has, or of another ARCH, cannot be tried",
    ),
    Row(
        "keywords",
        "keywords",
        "masked by its keywords, with the line for package.accept_keywords",
    ),
    Row(
        "mask",
        "masked",
        "masked by package.mask, with the file that masks it and the line that lifts it",
    ),
    Row(
        "license",
        "licence",
        "ACCEPT_LICENSE does not accept its licence",
    ),
    Row(
        "chost",
        "CHOST",
        "built for a CHOST that ACCEPT_CHOSTS does not name",
    ),
    Row(
        "masked",
        "masked for another reason",
        "another mask of Portage's, such as PROPERTIES, RESTRICT or EAPI",
    ),
    Row(
        "version",
        "the tree is ahead of the binhost",
        "the tree has a newer version than the binhost; or the binary is newer than what was asked for or what another "
        "package needs, which is named",
    ),
    Row(
        "no-ebuild",
        "no ebuild of its version",
        "the binhost has a version whose ebuild is not in the tree, or is masked there",
    ),
    Row(
        "resolver",
        "turned down by the resolver",
        "of the right version, but not what was asked for or what another package needs (slot, sub-slot, repository), "
        "which is named; or Portage's resolver gave it up for a conflict, and its own word for that follows",
    ),
    Row(
        "use",
        "USE differs",
        "flags differ, with file and line of this side and what is known of the other",
    ),
    Row(
        "use-expand",
        "USE_EXPAND group differs",
        "the same for groups such as PYTHON_TARGETS, VIDEO_CARDS, L10N and CPU_FLAGS_X86, by their names",
    ),
    Row(
        "iuse",
        "IUSE differs",
        "the ebuilds of both sides do not have the same flags",
    ),
    Row(
        "iuse-implicit",
        "IUSE names other implicit flags",
        "the same for flags that every package has without naming them, such as elibc_musl, and that count only where "
        "an ebuild names them",
    ),
    Row(
        "slot",
        "slot of the ebuild changed",
        "the ebuild has another slot now than the binary (`--changed-slot`)",
    ),
    Row(
        "dependencies",
        "dependencies changed",
        "the ebuild's dependencies have changed since it was built (`--binpkg-changed-deps`)",
    ),
    Row(
        "bindings",
        "slot or sub-slot does not fit",
        "it was built against another slot or sub-slot than the one chosen here",
    ),
    Row(
        "patches",
        "user patches",
        "user patches hold for it here",
        objector="patches",
    ),
    Row(
        "live",
        "live package",
        "a live package with `--usepkg-exclude-live`",
        objector="live",
    ),
    Row(
        "symbols",
        "symbol versions are missing here",
        "the plan check would refuse it: symbol versions that this system lacks, with the way to get them",
    ),
    Row(
        "cpu",
        "compiled for another CPU",
        "it was compiled for a CPU that this host does not have, by the CFLAGS in a local package or the binhost's "
        "builder.json; emerge would take it all the same, so it is told of binaries that come, too",
    ),
    Row(
        "signature",
        "signature missing or not valid",
        "Portage asks for a signature and does not accept that of a package in PKGDIR; of a binrepo's package with `--fetch`",
        stops=True,
    ),
    Row(
        "fetch",
        "cannot be fetched",
        "with `--fetch`: the package cannot be fetched, is damaged, or is not the one that the index describes",
        stops=True,
    ),
    Row(
        "unindexed",
        "not in the index of PKGDIR",
        "a file in PKGDIR that its index does not have",
    ),
)
"""In the order in which emerge would stumble over them."""
ROWS: Final = {row.kind: row for row in TABLE}
_RANK: Final = {row.kind: number for number, row in enumerate(TABLE)}


def rank(kind: str) -> int:
    """The place of a kind in the table."""
    return _RANK[kind]


def word(kind: str) -> str:
    """What a summary calls reasons of this kind."""
    return ROWS[kind].word


def stops(kind: str) -> bool:
    """Whether emerge stops at a reason of this kind instead of compiling."""
    return ROWS[kind].stops


@cache
def objectors() -> tuple[Any, ...]:
    """The modules that ask for reasons by themselves, in the order of the table."""
    names = [row.objector for row in TABLE if row.objector]
    return tuple(importlib.import_module(f"portage_ext.explain.objectors.{name}") for name in names)


def documentation() -> str:
    """The table as docs/explaining.md has it."""
    return "".join(f"| `{row.kind}` | {row.means} |\n" for row in TABLE)
