"""The members of licence groups, as Portage reads them from the ebuild repositories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from portage_ext.errors.releases import GateUnavailableError
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.model import IndexEntry
from portage_ext.policy.licences import accepted

_MANAGER: Final = "portage.package.ebuild._config.LicenseManager:LicenseManager"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Names("portage.package.ebuild.config:config.__init__", ("_license_manager",)),
    Names(f"{_MANAGER}.__init__", ("_license_groups",)),
    Function(f"{_MANAGER}.expandLicenseTokens", ("self", "tokens")),
    Function(f"{_MANAGER}._getMaskedLicenses", ("self", "license_struct", "acceptable_licenses")),
    Function("portage.dep:use_reduce", ("depstr",), ("uselist", "opconvert")),
)


def groups(words: Iterable[str]) -> dict[str, frozenset[str]]:
    """The members of each ``@GROUP`` among ``words`` of ACCEPT_LICENSE; without those that no repository here defines."""
    import portage

    manager = portage.settings._license_manager
    named = {word.removeprefix("-") for word in words}
    # Portage warns on standard error about unknown groups. These groups may come from another host.
    known = sorted(word for word in named if word.startswith("@") and word[1:] in manager._license_groups)
    return {word: frozenset(manager.expandLicenseTokens([word])) for word in known}


class LicencePolicy:
    """Says which licence of a package is not among ``tokens`` (names, ``@GROUP``, ``-NAME``, ``*``)."""

    def __init__(self, tokens: Sequence[str]) -> None:
        """Raises GateUnavailableError for a group that no repository defines."""
        import portage

        self._manager = portage.settings._license_manager
        known = groups(tokens)
        parts = [token.removeprefix("-") for token in tokens], *known.values()
        unknown = [one for part in parts for one in part if one.startswith("@") and one not in known]
        if unknown:
            raise GateUnavailableError("licences", f"no repository on this host defines the licence group {unknown[0]}")
        self._accepted = accepted(tokens, known)

    def __call__(self, entry: IndexEntry) -> str | None:
        """The licences that are not accepted; None if the accepted ones suffice."""
        from portage.dep import use_reduce
        from portage.exception import InvalidDependString

        try:
            parts = use_reduce(entry.get("LICENSE"), uselist=entry.get("USE").split(), opconvert=True)
        except InvalidDependString as error:
            return f"{entry.get('LICENSE')} ({error})"
        missing = self._manager._getMaskedLicenses(parts, self._accepted)
        return " ".join(dict.fromkeys(missing)) or None
