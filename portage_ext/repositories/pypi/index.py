"""All fetches from the index are done here: pages, METADATA and source archives, each with a size limit and checked against the
digests on the page."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from typing import IO
from urllib.parse import urljoin

from packaging.version import Version

from portage_ext.errors.pypi import InvalidArchiveError, InvalidMetadataError, NoMetadataError, NoSdistError, NoSuchProjectError
from portage_ext.errors.trust import MirrorError, NotFoundError
from portage_ext.fetch.http import HttpTransport
from portage_ext.fetch.transfer import Patience, Transfer
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi.candidate import Candidate
from portage_ext.repositories.pypi.published import metadata, sdist, wheel
from portage_ext.repositories.pypi.published.page import ACCEPT, File, Release, parse
from portage_ext.repositories.pypi.written import backends


class Index:
    """The Python index at ``url``, which ends with a slash (PEP 503). Use one object per run: it fetches each page only
    once."""

    def __init__(self, url: str, patience: Patience = Patience()) -> None:  # noqa: B008 (frozen)
        self.url = url if url.endswith("/") else f"{url}/"
        self._transport = HttpTransport(accept=ACCEPT)
        self._patience = patience
        self._pages: dict[str, dict[Version, Release]] = {}

    def close(self) -> None:
        self._transport.close()

    def releases(self, project: str) -> dict[Version, Release]:
        """The releases of the normalised ``project``. Raises NoSuchProjectError, InvalidPageError, MirrorError."""
        if project not in self._pages:
            where = urljoin(self.url, f"{project}/")
            try:
                data = self._get(where, limits.PYPI_PAGE)
            except NotFoundError:
                raise NoSuchProjectError(project, self.url) from None
            self._pages[project] = parse(data, where, project)
        return self._pages[project]

    def candidate(self, release: Release, project: str) -> Candidate:
        """Fetch everything that an ebuild of ``release`` needs. Raises ProjectError, MirrorError."""
        file = release.sdist
        titled = f"{project} {release.version}"
        if file is None:
            raise NoSdistError(titled)
        with tempfile.TemporaryFile(prefix="portage-ext.") as archive:
            size, blake2b, sha512 = self._archive(file, archive, titled)
            archive.seek(0)
            found = sdist.read(archive, titled)
        built = self._metadata(release, project)
        if built is None:
            built = found.pkg_info or b""
            if not built or not metadata.parse(built, project).fixed:
                raise NoMetadataError(titled)
        said = metadata.parse(built, project)
        if said.version != release.version:
            raise InvalidMetadataError(titled, f"it is of the version {said.version}")
        return Candidate(
            project=project,
            file=replace(file, size=None, yanked=None, metadata=None),
            size=size,
            blake2b=blake2b,
            sha512=sha512,
            directory=found.directory,
            native=release.native or (not release.wheels and found.compiled),
            cargo=found.cargo,
            build=backends.build(found.pyproject, titled),
            head=metadata.head(built),
            metadata=said,
        )

    def _metadata(self, release: Release, project: str) -> bytes | None:
        """Fetch METADATA of a wheel, preferably a pure one; None if there is no wheel."""
        wheels = [one for one in (release.pure, *release.wheels) if one is not None]
        served = next((one for one in wheels if one.metadata), None)
        if served is not None:
            data = self._get(f"{served.url}.metadata", limits.PYPI_METADATA)
            if hashlib.sha256(data).hexdigest() != served.metadata:
                raise InvalidArchiveError(project, f"{served.name}.metadata is not what the page of the index says")
            return data
        if not wheels:
            return None
        smallest = min(wheels, key=lambda one: one.size if one.size is not None else limits.PYPI_WHEEL)
        data = self._get(smallest.url, limits.PYPI_WHEEL)
        if hashlib.sha256(data).hexdigest() != smallest.sha256:
            raise InvalidArchiveError(project, f"{smallest.name} is not what the page of the index says")
        return wheel.metadata(data, project)

    def _archive(self, file: File, archive: IO[bytes], titled: str) -> tuple[int, str, str]:
        """Fetch a source archive and check its SHA-256. Returns its size in bytes, BLAKE2B and SHA512."""
        digests = hashlib.sha256(), hashlib.blake2b(), hashlib.sha512()

        def take(block: bytes | memoryview) -> None:
            archive.write(block)
            for one in digests:
                one.update(block)

        def restart() -> None:
            raise MirrorError(file.url, "it began again in the middle of a file")

        transfer = Transfer(file.url, min(file.size or limits.PYPI_SDIST, limits.PYPI_SDIST), take, restart)
        self._transport.run(transfer, self._patience)
        if digests[0].hexdigest() != file.sha256:
            raise InvalidArchiveError(titled, f"{file.name} is not what the page of the index says")
        return transfer.offset, digests[1].hexdigest(), digests[2].hexdigest()

    def _get(self, url: str, limit: int) -> bytes:
        blocks: list[bytes] = []
        transfer = Transfer(url, limit, lambda block: blocks.append(bytes(block)), blocks.clear)
        self._transport.run(transfer, self._patience)
        return b"".join(blocks)
