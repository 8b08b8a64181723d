"""Which licences may be passed on is said in the licence groups of the ebuild repositories; Portage reads them."""

from __future__ import annotations

from collections.abc import Sequence

from portage_ext.failures import GateUnavailableError
from portage_ext.model import IndexEntry


class LicencePolicy:
    """Says which licence of a package is not among ``tokens`` (names, ``@GROUP``, ``-NAME``, ``*``)."""

    def __init__(self, tokens: Sequence[str]) -> None:
        """Raises GateUnavailableError for a group that no repository defines."""
        import portage

        self._manager = portage.settings._license_manager
        self._everything = "*" in tokens
        self._accepted: set[str] = set()
        for token in tokens:
            groups = self._manager.expandLicenseTokens([token.lstrip("-")])
            unknown = [one for one in groups if one.startswith("@")]
            if unknown:
                raise GateUnavailableError("licences", f"no repository on this host defines the licence group {unknown[0]}")
            self._accepted = self._accepted - set(groups) if token.startswith("-") else self._accepted | set(groups)

    def __call__(self, entry: IndexEntry) -> str | None:
        """The licences that are missing, None when one may do with what is accepted."""
        from portage.dep import use_reduce
        from portage.exception import InvalidDependString

        if self._everything:
            return None
        try:
            parts = use_reduce(entry.get("LICENSE"), uselist=entry.get("USE").split(), opconvert=True)
        except InvalidDependString as error:
            return f"{entry.get('LICENSE')} ({error})"
        missing = self._manager._getMaskedLicenses(parts, self._accepted)
        return " ".join(dict.fromkeys(missing)) or None
