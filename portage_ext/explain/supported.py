"""What of portage-ext works with the Portage of this Python? All that relies on Portage is asked for what it expects of it.

Asked by `portage-ext check`, and by the installer before it writes anything. A version number decides nothing here: it is only
said whether portage-ext has been tested with it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from portage_ext import __version__
from portage_ext.emerge.parts import PARTS, Part
from portage_ext.host import probe
from portage_ext.host.probe import Expectation

TESTED: Final = ("3.0.77", "3.0.81.3", "3.0.82.2", "3.0.83")
"""The versions of Portage that every test runs with, oldest first."""


class Command(NamedTuple):
    """What commands ask of Portage: the modules that ask, and what is lost when this Portage does not answer.

    ``essential``: without it nothing is set up here.
    """

    loss: str
    modules: tuple[str, ...]
    essential: bool = False

    @property
    def expected(self) -> tuple[Expectation, ...]:
        """All of Portage that these modules rely on."""
        modules = [importlib.import_module(f"portage_ext.{name}") for name in self.modules]
        return tuple(one for module in modules for one in module.EXPECTED)


COMMANDS: Final = (
    Command("binhosts in binrepos.conf cannot be read", ("host.here",), essential=True),
    Command("`portage-ext reindex`, `sign` and `publish` cannot work", ("host.pkgdir",), essential=True),
    Command("the gates for dependencies and licences cannot judge a release", ("host.closure", "host.licences")),
    Command("the gate `glsa` and `portage-ext check` cannot read GLSAs", ("host.glsas",)),
    Command("`portage-ext clean` cannot tell which packages still have an ebuild", ("host.ebuilds",)),
    Command("`portage-ext why` cannot work", ("explain.why",)),
    Command("`portage-ext why --fetch` cannot fetch on trial", ("explain.fetched.trial",)),
    Command("`portage-ext graph` cannot work", ("tasks.planned",)),
    Command("`portage-ext compare` cannot work", ("host.builder", "host.offered", "host.use_origin")),
    Command("`portage-ext trial` and `bisect` cannot work", ("host.scratch",)),
    Command("`portage-ext update` cannot report to elog or find configuration files", ("host.elog", "host.protected")),
    Command("`portage-ext build` cannot tell that the shell of a phase was killed", ("emerge.phases",)),
    Command("`portage-ext rebuild-check` and `[build] confirm-for` cannot find packages", ("host.atoms",)),
    Command("repositories with sync-type pick cannot be made", ("repositories.tree",)),
    Command("`portage-ext ebuild bump` cannot compare two releases", ("host.distfiles",)),
    Command("`portage-ext show` and `contract` cannot look at installed packages", ("host.installed", "host.contracts")),
)


class Loss(NamedTuple):
    """Something that does not work with this Portage, and why."""

    what: str
    why: tuple[str, ...]
    essential: bool

    def __str__(self) -> str:
        return f"{self.what}: {'; '.join(self.why)}"


def losses() -> Iterator[Loss]:
    """What does not work with this Portage; nothing when all of it does.

    Raises ModuleNotFoundError for a module that is not Portage's: portage-ext itself is incomplete then.
    """
    every: tuple[Part | Command, ...] = (*PARTS, *COMMANDS)
    for one in every:
        try:
            why = probe.misfits(one.expected)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("portage", "_emerge"):
                raise
            why = (str(error),)
        except Exception as error:  # noqa: BLE001 - a module that cannot even be imported here is lost in the same way
            why = (f"{type(error).__name__}: {error}",)
        if why:
            yield Loss(one.loss, why, one.essential)


def todo() -> str:
    """What a person does about it."""
    return (
        f"install a portage-ext that knows Portage {version()}, or a Portage that this one was tested with "
        f"({', '.join(TESTED)}): emerge -1u app-portage/portage-ext sys-apps/portage"
    )


def untested() -> str | None:
    """That nobody has tested portage-ext with this Portage; None when that has been done."""
    if version() in TESTED:
        return None
    return f"portage-ext {__version__} was not tested with {version()} (tested: {', '.join(TESTED)})"


def version() -> str:
    """The version of this Portage."""
    import portage

    return str(portage.VERSION)


def misplaced() -> str | None:
    """Why the Portage of this Python does not load portage-ext at all; None when it does."""
    import portage

    modules = Path(portage.__file__).parent / "sync/modules"
    if (modules / "portage_ext/__init__.py").is_file():
        return None
    return f"{modules} has no portage_ext: portage-ext was installed for another Portage than the one that emerge runs"


def problem() -> str | None:
    """Why nothing should be set up here, and what to do; None when emerge would run with all of portage-ext."""
    if (why := misplaced()) is not None:
        return why
    lost = [str(one) for one in losses() if one.essential]
    if not lost:
        return None
    listed = "\n".join(f"  {text}" for text in lost)
    return f"portage-ext {__version__} does not know Portage {version()}:\n{listed}\nNothing was changed. To go on, {todo()}"


def remarks() -> Iterator[str]:
    """What a person who sets up should know, although it forbids nothing."""
    lost = [str(one) for one in losses() if not one.essential]
    yield from lost
    if lost:
        yield todo()
    if (why := untested()) is not None:
        yield f"{why}; all that is needed to set up is there"
