"""Why a client could not ask for builds, or was refused."""

from __future__ import annotations

from portage_ext.errors import PortageExtError


class ServiceError(PortageExtError):
    """The build service cannot be reached, or it says something that is no answer. ``where`` as in [ask]."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"the build service {self.where} {self.why}"


class RefusedRequestError(PortageExtError):
    """The build service does not do what was asked. ``kind`` is one word for programs, such as ``quota``."""

    where: str
    kind: str
    why: str

    def __str__(self) -> str:
        return f"the build service {self.where} refuses this: {self.why}"


class MessageError(PortageExtError):
    """A line of the protocol between client and service that is not one."""

    why: str

    def __str__(self) -> str:
        return f"it is no message of this protocol: {self.why}"


class DoorError(PortageExtError):
    """The service cannot listen for clients over https. ``todo`` is what to do."""

    why: str
    todo: str

    def __str__(self) -> str:
        return f"{self.why}. {self.todo}"
