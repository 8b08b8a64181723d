"""What decided a build is found where Portage has it; what is not there is left out."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import pytest

from portage_ext.hooks import inputs
from portage_ext.hooks.phase import phase_of
from portage_ext.model.provenance import HOST, KEY, record


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dev-libs/a >=dev-libs/b-1.2:0= dev-libs/c[x(-)]", ["dev-libs/a", "dev-libs/b", "dev-libs/c"]),
        ("foo? ( dev-libs/a ) !foo? ( dev-libs/b ) bar? ( x/c foo? ( x/d ) )", ["dev-libs/a"]),
        ("|| ( dev-libs/a ( =dev-libs/b-1* ) ) !dev-libs/c !!<dev-libs/d-2", ["dev-libs/a", "dev-libs/b"]),
        ("~dev-libs/a-1-r2 >=broken", ["dev-libs/a"]),
        (") ) dev-libs/a", ["dev-libs/a"]),
    ],
)
def test_the_packages_that_a_dependency_names(text: str, found: list[str]) -> None:
    assert list(inputs.named(text, frozenset(["foo"]))) == found


def test_the_record_of_a_build(tmp_path: Path) -> None:
    repository, info, installed = tmp_path / "repo", tmp_path / "b/build-info", tmp_path / "var/db/pkg/dev-libs/libtiny-1.0"
    package = repository / "app-misc/hello"
    for directory in (package, repository / "eclass", repository / ".git/refs/heads", info, installed):
        directory.mkdir(parents=True)
    (installed.parent / "libtiny-extra-2").mkdir()
    (installed / "SLOT").write_text("0/1\n")
    (installed / "BUILD_ID").write_text("2\n")
    (package / "hello-1.0.ebuild").write_text("EAPI=8\n")
    (package / "Manifest").write_text("DIST a.tar 5 BLAKE2B AB SHA512 CD\nDIST other.tar 5 BLAKE2B 00 SHA512 11\nDIST short\n")
    (repository / "eclass/one.eclass").write_text("# one\n")
    (tmp_path / "later/eclass").mkdir(parents=True)
    (tmp_path / "later/eclass/one.eclass").write_text("# another\n")
    (repository / ".git/HEAD").write_text("ref: refs/heads/master\n")
    (repository / ".git/packed-refs").write_text(f"# pack\n{'1' * 40} refs/heads/master\n")
    for name, text in {"repository": "tiny", "INHERITED": "one gone", "DEPEND": "dev-libs/libtiny", "BDEPEND": ""}.items():
        (info / name).write_text(f"{text}\n")
    variables = {
        "A": "a.tar", "CATEGORY": "app-misc", "PF": "hello-1.0", "PN": "hello", "D": f"{tmp_path}/image", "CFLAGS": "-O2  -g",
        "EBUILD": str(package / "hello-1.0.ebuild"), "PORTAGE_BUILDDIR": str(tmp_path / "b"), "EROOT": str(tmp_path),
        inputs.ECLASSES: f"{tmp_path}/nowhere {repository} {tmp_path}/later", "PORTAGE_EXT_JOB": "f" * 64,
    }  # fmt: skip
    inputs.record(phase_of(variables), variables)
    assert (info / HOST).read_text() == f"{platform.node()}\n"
    made = record((info / KEY).read_text(), "x")
    assert (made.cpv, made.repository, made.commit, made.job) == ("app-misc/hello-1.0", "tiny", "1" * 40, "f" * 64)
    assert made.distfiles == {"a.tar": {"blake2b": "ab", "sha512": "cd"}}
    assert made.dependencies == {"dev-libs/libtiny-1.0": {"slot": "0/1", "build_id": "2"}}
    assert made.eclasses == {"one": {"blake2b": hashlib.blake2b(b"# one\n").hexdigest()}}
    assert made.variables == {"CFLAGS": "-O2 -g"}

    # A loose reference is newer than a packed one; a tree synced by rsync names its commit itself.
    (repository / ".git/refs/heads/master").write_text(f"{'2' * 40}\n")
    assert inputs.commit(repository) == "2" * 40
    (repository / ".git/HEAD").unlink()
    assert inputs.commit(repository) == ""
    (repository / "metadata").mkdir()
    (repository / "metadata/timestamp.commit").write_text(f"{'3' * 40} 1700000000 2023\n")
    assert inputs.commit(repository) == "3" * 40
