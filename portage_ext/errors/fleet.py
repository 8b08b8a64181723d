"""What can go wrong with documents of a release, and with a configuration that is published as a profile."""

from __future__ import annotations

from portage_ext.errors import PortageExtError


class NoDocumentError(PortageExtError):
    """A release has no document of that name that can be verified."""

    where: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.where} offers no {self.name}: {self.why}. Ask the binhost's administrator to publish it"


class InvalidConfigError(PortageExtError):
    """A config.json cannot be read."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}. Nothing was changed; run `portage-ext config publish` on the binhost again"


class ConfigError(PortageExtError):
    """A configuration cannot be published or followed."""

    where: str
    why: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}. {self.todo}"
