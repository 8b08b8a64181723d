"""What a project writes can never become shell: the attacks by hand, more by hypothesis, and bash as the judge."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from portage_ext.repositories.pypi import candidate
from portage_ext.repositories.pypi.candidate import Candidate, Terms
from portage_ext.repositories.pypi.published.metadata import CoreMetadata
from portage_ext.repositories.pypi.published.page import File
from portage_ext.repositories.pypi.written import ebuild, quoting
from portage_ext.repositories.pypi.written.backends import Build
from portage_ext.repositories.pypi.written.dependencies import Provider

ATTACKS = (
    "$(touch {})", "`touch {}`", '"; touch {}; "', "'; touch {}; '", "\n touch {}\n", "\\", "\\\"; touch {} #",
    "${{IFS}}touch {}",
    "$((a[$(touch {})]))", "\x00\x1b[31m", "\u202ereversed", "\u2028touch {}", "x" * 100_000, "!touch", "%s%n",
    "\r\ntouch {}", "]]; touch {}",
    "$'\\n'touch {}", "ÄÖÜ ß 漢字", "<!-- --> & ]]>", "${{PYTHON_USEDEP}}", "a\\$(touch {})", "))\" ; touch {}",
)  # fmt: skip
BASH = """
inherit() { :; }
python_gen_cond_dep() { :; }
pypi_sdist_url() { :; }
source "$1"
"""


def _metadata(text: str) -> CoreMetadata:
    return CoreMetadata(
        name="Some.Project", version=Version("1.0"), summary=text, expression="MIT", licence=text, classifiers=(text,),
        extras=frozenset(), urls=(("Homepage", text), ("Source", f"https://example.org/{text}"), (text, text), ("Repository", f"https://github.com/a/{text}")),
        requires_python=SpecifierSet(), requirements=(Requirement("other>=1"),), fixed=True,
    )  # fmt: skip


def _ebuild(text: str, *, default_index: bool = True) -> tuple[str, str]:
    file = File("some_project-1.0.tar.gz", "https://files.example/some_project-1.0.tar.gz", "0" * 64)
    made = Candidate(
        "some-project", file, 1, "", "", "some_project-1.0", False, False, Build("setuptools"), b"", _metadata(text)
    )
    terms = Terms(person=True, default_index=default_index, head=(text,))
    draft = candidate.draft(made, terms, frozenset(), lambda project: Provider(f"dev-python/{project}"))
    return ebuild.text(draft), ebuild.package_xml(draft, text)


@pytest.mark.parametrize("attack", ATTACKS)
def test_bash_does_nothing_of_what_a_project_writes(attack: str, work: Path) -> None:
    mark = work / "done"
    text, _ = _ebuild(attack.format(mark))
    path = work / "x.ebuild"
    path.write_text(text)
    command = ["bash", "--norc", "-eu", "-c", "PYTHON_USEDEP= WORKDIR=; " + BASH, "bash", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not mark.exists()


@given(st.text(max_size=300))
def test_any_text_gives_lines_that_may_be_in_an_ebuild(text: str) -> None:
    """``ebuild.text`` holds its result to the grammar; what is left of a text is one line of bounded length."""
    from xml.etree import ElementTree

    made, xml = _ebuild(text)
    assert all(
        len(line) < 500 and line.isascii() and (line.isprintable() or line.startswith("\t"))
        for line in made.split("\n")
        if line
    )
    ElementTree.fromstring(xml)
    assert len(quoting.description(text, "x")) <= 80


@pytest.mark.parametrize(
    "line",
    [
        'DESCRIPTION="$(id)"', 'DESCRIPTION="a" ; id', 'DESCRIPTION="`id`"', "id", 'S="${WORKDIR}/$(id)"', "\t$(id)",
        "inherit evil",
        'SRC_URI="https://a/$(id)"', "pkg_setup() {", "# \x1b[31m", 'HOMEPAGE="\\"', "\tdev-python/x[${HOME}]",
        "PYTHON_COMPAT=( $(id) )",
        "EAPI=8; id", "\thttps://a.org/$(id)", 'LICENSE="MIT" id',
    ],
)  # fmt: skip
def test_lines_that_may_not(line: str) -> None:
    with pytest.raises(AssertionError):
        quoting.held(f"EAPI=8\n{line}\n")


@pytest.mark.parametrize(
    "text",
    ["https://a.org/$(id)", "javascript:1", "https://a.org/a b", 'https://a.org/"', "http://", "https://a.org/)", "x" * 400],
)
def test_addresses_that_are_left_out(text: str) -> None:
    assert quoting.url(text) is None


def test_descriptions() -> None:
    assert quoting.description('A "fast" thing.', "x") == "A 'fast' thing"
    assert quoting.description("x", "x") == "The Python project x"
    assert quoting.description("word " * 40, "x") == ("word " * 16).strip()
    assert quoting.description("Größe für alle Fälle", "x") == "Groe fur alle Falle"
