"""PKGDIR is guessed from what Portage reads first; nothing else depends on the guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.host.pkgdir import likely_pkgdir

DEFAULT = Path("/var/cache/binpkgs")


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ('PKGDIR="/srv/one"\nPKGDIR=/srv/two \n', Path("/srv/two")),
        ("# PKGDIR=/srv/one\nUSE='X'\nPKGDIR='/srv/a/../b'\n", Path("/srv/b")),
        ('PKGDIR="${ROOT}/x"\n', DEFAULT),
        ("PKGDIR=relative\n", DEFAULT),
        (None, DEFAULT),
    ],
)
def test_pkgdir_is_guessed_from_make_conf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, guess: Path
) -> None:
    monkeypatch.delenv("PKGDIR", raising=False)
    monkeypatch.setenv("PORTAGE_CONFIGROOT", str(tmp_path))
    if text is not None:
        (tmp_path / "etc/portage").mkdir(parents=True)
        (tmp_path / "etc/portage/make.conf").write_text(text)
    assert likely_pkgdir() == guess
    monkeypatch.setenv("PKGDIR", "/srv/environment")
    assert likely_pkgdir() == Path("/srv/environment")


def test_pkgdir_of_a_prefix_in_the_environment_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PKGDIR", raising=False)
    monkeypatch.delenv("PORTAGE_CONFIGROOT", raising=False)
    monkeypatch.setenv("PORTAGE_OVERRIDE_EPREFIX", str(tmp_path))
    (tmp_path / "etc/portage").mkdir(parents=True)
    (tmp_path / "etc/portage/make.conf").write_text('PKGDIR="/srv/prefix"\n')
    assert likely_pkgdir() == Path("/srv/prefix")
