"""Why no ebuild can be made for a project on a Python index: one error for each reason. Other projects are not affected."""

from __future__ import annotations

from portage_ext.errors import PortageExtError


class ProjectError(PortageExtError):
    """No ebuild can be made of ``project`` (its name, with a version where one was chosen); ``detail`` says what is in
    the way."""

    project: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.project}: {self.why}"

    @property
    def why(self) -> str:
        """The sentence without the name."""
        return self.detail


class InvalidNameError(ProjectError):
    """A text is no name of a project, or Gentoo cannot call a package so."""


class InvalidPageError(ProjectError):
    """The page of a project on the index cannot be read."""

    @property
    def why(self) -> str:
        return f"cannot read its page on the index: {self.detail}"


class NoSuchProjectError(ProjectError):
    """The index has no such project."""

    @property
    def why(self) -> str:
        return f"{self.detail or 'the index'} has no project of this name; check the spelling"


class NoReleaseError(ProjectError):
    """No version of the project meets the requirements."""


class YankedError(ProjectError):
    """The project has yanked the requested version. ``detail`` is its reason, which may be empty."""

    @property
    def why(self) -> str:
        said = f" ({self.detail[:200]})" if self.detail else ""
        return f"the project has yanked this version{said}; use another version"


class NoSdistError(ProjectError):
    """There are built files only."""

    @property
    def why(self) -> str:
        return "it has no source archive (.tar.gz) on the index, and Gentoo builds from source"


class NoMetadataError(ProjectError):
    """Its dependencies are known only after running its code."""

    @property
    def why(self) -> str:
        return (
            "it has no wheel, and its source archive does not state its dependencies as fixed; "
            "they could be found only by running its code, which portage-ext does not do"
        )


class InvalidMetadataError(ProjectError):
    """METADATA, PKG-INFO or pyproject.toml says something that cannot be read."""

    @property
    def why(self) -> str:
        return f"its metadata cannot be used: {self.detail}"


class InvalidArchiveError(ProjectError):
    """A wheel or a source archive is damaged, or larger than its bounds in limits/."""

    @property
    def why(self) -> str:
        return f"its archive cannot be used: {self.detail}"


class NativeCodeError(ProjectError):
    """It compiles code whose build dependencies no index knows."""

    @property
    def why(self) -> str:
        return (
            "it compiles native code, and no index knows the libraries that this needs; "
            "if you know them, write a line into the file `names`: native NAME CATEGORY/PACKAGE…, or: native NAME none"
        )


class CargoError(ProjectError):
    """It is built by cargo, which would fetch crates during the build."""

    @property
    def why(self) -> str:
        return "it is built by cargo and needs a list of crates; make its ebuild with pycargoebuild"


class UnknownLicenceError(ProjectError):
    """Its licence has no name in Gentoo, or it states none."""

    @property
    def why(self) -> str:
        return f"its licence ({self.detail[:200] or 'none is stated'}) has no name in the ebuild repositories here"


class UnknownBackendError(ProjectError):
    """distutils-r1 does not know what builds it."""

    @property
    def why(self) -> str:
        return f"it is built by {self.detail[:100]}, which distutils-r1.eclass does not know"


class ChangedFileError(ProjectError):
    """The index offers a file under a name and version that had another content before."""

    @property
    def why(self) -> str:
        return (
            f"the index offers other bytes for a version that is in the lock file ({self.detail}). A published file never "
            "changes: ask the project; if it is right, take the version's line out of the lock file"
        )


class UnconfirmedError(ProjectError):
    """A dependency has a name that was never listed or confirmed on this host. ``detail`` says which project needs it."""

    @property
    def why(self) -> str:
        return f"it is a new dependency of {self.detail}; if you trust it, run: portage-ext pypi confirm {self.project}"


class DependencyError(ProjectError):
    """A dependency is not available. ``detail`` says which and why."""

    @property
    def why(self) -> str:
        return f"it needs {self.detail}"


class OverlayError(PortageExtError):
    """An ebuild cannot be written to the requested place."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"
