"""What `check` says of trees that strangers can read. Public addresses are played; system/check/test_public has a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portage_ext.config.publishing import Publishing, RepositorySettings
from portage_ext.policy.health import Severity
from portage_ext.tasks import exposure
from tests.testkit import httpd


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a release in production, as far as a stranger can see."""
    release = tmp_path / "tree/releases/1"
    release.mkdir(parents=True)
    (release / "Packages").write_text("x")
    (release / "Release").write_text("x")
    (tmp_path / "tree/production").symlink_to("releases/1")
    return tmp_path / "tree"


@pytest.fixture
def url(tree: Path) -> Iterator[str]:
    with httpd.serve(tree) as server:
        yield server.url


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(exposure, "public_address", lambda url: "192.88.99.1")


def found(tree: Path, url: str | None, *, private: bool = False, header: str = "") -> list[tuple[Severity, str]]:
    settings = Publishing(repositories={"lab": RepositorySettings(tree, url=url, private=private)})
    areas = exposure.areas(settings, header)
    return [(one.severity, one.what) for area in areas.values() for one in area().findings]


def test_a_private_tree_that_everybody_can_read(tree: Path, url: str, public: Callable[[], None]) -> None:
    assert found(tree, url, private=True) == []
    public()
    assert found(tree, url) == []
    ((severity, what),) = found(tree, url, private=True)
    assert severity is Severity.ERROR
    assert what.startswith(f"everybody can read {url}/production: 192.88.99.1 is a public address")
    assert "but [repository.lab] is private" in what


def test_a_tree_or_pkgdir_without_a_release(tree: Path, url: str, public: Callable[[], None]) -> None:
    public()
    (tree / "releases/1/Release").unlink()
    ((severity, what),) = found(tree, url)
    assert severity is Severity.WARNING
    assert what.startswith(f"{url}/production is public and has no Release")
    ((_, what),) = found(tree, None, header=f"{url}/production")
    assert what.startswith(f"{url}/production is public and has no Release")


def test_what_strangers_do_not_get_is_no_finding(tree: Path, url: str, public: Callable[[], None]) -> None:
    public()
    (tree / "releases/1/Packages").unlink()
    assert found(tree, url, private=True) == []
    assert found(tree, "http://127.0.0.1:1/nobody", private=True) == []
    assert found(tree, None, private=True) == []
    (tree / "production").unlink()
    assert found(tree, url, private=True) == []


@pytest.mark.parametrize("uri", ["http://[", "http://", "https:///packages", "HTTP://[::1/packages"])
def test_a_header_uri_that_is_no_url(tree: Path, uri: str) -> None:
    assert found(tree, None, header=uri) == [(Severity.ERROR, f"PORTAGE_BINHOST_HEADER_URI is not a URL: {uri}")]


def test_a_name_that_no_dns_can_have_has_no_address(tree: Path) -> None:
    (area,) = exposure.areas(Publishing(), f"http://{'a' * 64}.example/packages").values()
    found = area()
    assert found.summary.startswith("the name in http://aaaa")
    assert found.findings == ()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("[2a00:1450::1]:8080", "2a00:1450::1"),
        *(
            (one, "")
            for one in ("127.0.0.1", "10.1.2.3", "192.168.1.1:80", "100.64.3.4", "[fe80::1]", "[fd00::1]", "localhost")
        ),
    ],
)
def test_which_addresses_are_public(host: str, address: str) -> None:
    assert exposure.public_address(f"https://{host}/amd64") == address
