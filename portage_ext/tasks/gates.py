"""The gates of a channel, by their names. Those that need Portage import it, and only when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from portage_ext.config.publishing import GATE_NAMES, ChannelRules
from portage_ext.errors import UsageError
from portage_ext.gpkg.verify import Judge
from portage_ext.releases.gates import Gate
from portage_ext.releases.gates.closure import ClosureGate
from portage_ext.releases.gates.contracts import ContractGate
from portage_ext.releases.gates.index import IndexGate
from portage_ext.releases.gates.install import InstallGate
from portage_ext.releases.gates.licences import LicenceGate
from portage_ext.releases.gates.signatures import SignatureGate


def checked_gates(names: Iterable[str]) -> None:
    """Raises UsageError for a name that no gate has."""
    unknown = sorted(set(names) - set(GATE_NAMES))
    if unknown:
        raise UsageError(f"there is no gate {unknown[0]}; there are {', '.join(GATE_NAMES)}")


def gates_of(names: Sequence[str], rules: ChannelRules, judge: Judge, *, public: bool) -> list[Gate]:
    """The gates with ``names`` for a channel with ``rules``; that of licences only where everybody can read it (``public``)."""
    makers: dict[str, Callable[[], Gate]] = {
        "index": IndexGate,
        "signatures": lambda: SignatureGate(judge),
        "closure": lambda: _closure(rules),
        "contracts": lambda: ContractGate(rules.provided_libraries),
        "licences": lambda: _licences(rules),
        "install": lambda: _install(rules),
    }
    return [makers[name]() for name in GATE_NAMES if name in names and (public or name != "licences")]


def _closure(rules: ChannelRules) -> Gate:
    from portage_ext.host.closure import Closure

    return ClosureGate(Closure(rules.provided))


def _licences(rules: ChannelRules) -> Gate:
    from portage_ext.host.licences import LicencePolicy

    return LicenceGate(LicencePolicy(rules.licences))


def _install(rules: ChannelRules) -> Gate:
    from portage_ext.host.scratch import merge_into_scratch

    return InstallGate(merge_into_scratch, rules.sample)
