"""Why a machine is no builder, and what is wrong with a swarm."""

from __future__ import annotations

from portage_ext.errors import PortageExtError


class LabelsError(PortageExtError):
    """What a builder says of itself cannot be used."""

    builder: str
    why: str

    def __str__(self) -> str:
        return f"the labels of builder {self.builder} cannot be used: {self.why}"


class TokenError(PortageExtError):
    """A token does not let this machine join."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}. Make a token with `portage-ext coordinator add NAME` on the coordinator"


class CertificateError(PortageExtError):
    """The certificate at an address is not that of the coordinator."""

    address: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return (
            f"refused {self.address}: its certificate has the fingerprint {self.found}, and the token names {self.wanted}. "
            "Somebody else answers there, or the coordinator was set up again: make a new token"
        )


class SwarmError(PortageExtError):
    """The swarm cannot do what was asked. ``todo`` is what to do."""

    why: str
    todo: str

    def __str__(self) -> str:
        return f"{self.why}. {self.todo}"
