"""The closure over releases that a test makes up: who comes in, who waits, who is refused, and who stays behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from portage_ext.errors.pypi import NoReleaseError, NoSuchProjectError, ProjectError, YankedError
from portage_ext.repositories.pypi import contents
from portage_ext.repositories.pypi.candidate import Candidate, Terms
from portage_ext.repositories.pypi.closure import Asked, Closure, closure
from portage_ext.repositories.pypi.contents import KEPT, read_kept
from portage_ext.repositories.pypi.lock import LOCK, Lock, parse
from portage_ext.repositories.pypi.names import normalised, parse_names
from portage_ext.repositories.pypi.published import metadata
from portage_ext.repositories.pypi.published.page import File
from portage_ext.repositories.pypi.written.backends import Build
from portage_ext.repositories.pypi.written.dependencies import Provider
from portage_ext.repositories.record import RECORD

SHA = "0" * 64


def release(name: str, version: str, *requires: str, native: bool = False, licence: str = "MIT") -> Candidate:
    fields = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        f"License-Expression: {licence}",
        "Provides-Extra: more",
    ]
    head = "\n".join([*fields, *(f"Requires-Dist: {one}" for one in requires)]).encode()
    file = File(f"{name}-{version}.tar.gz", f"https://files.example/{name}-{version}.tar.gz", SHA)
    said = metadata.parse(head, name)
    return Candidate(name, file, 10, "b" * 128, "c" * 128, f"{name}-{version}", native, False, Build("setuptools"), head, said)


@dataclass(slots=True)
class Releases:
    """The newest of ``known`` that fits; what is ``provided`` elsewhere; errors in the place of projects."""

    known: list[Candidate]
    provided: Mapping[str, Provider] = field(default_factory=dict)
    errors: Mapping[str, ProjectError] = field(default_factory=dict)

    def candidate(self, project: str, specifiers: SpecifierSet) -> Candidate:
        if project in self.errors:
            raise self.errors[project]
        found = [one for one in self.known if one.project == project]
        if not found:
            raise NoSuchProjectError(project)
        fitting = [one for one in found if one.metadata.version in specifiers]
        if not fitting:
            raise NoReleaseError(project, f"no version of it is {specifiers}")
        return max(fitting, key=lambda one: one.metadata.version)

    def provider(self, project: str) -> Provider | None:
        return self.provided.get(project)


def asked(*listed: str, consented: str = "", kept: tuple[Candidate, ...] = ()) -> Asked:
    wanted = {normalised(one.name): one for one in map(Requirement, listed)}
    return Asked(wanted, frozenset(consented.split()), {one.project: one for one in kept}, "made")


def versions(made: Closure) -> dict[str, str]:
    return {project: draft.pv for project, draft in made.drafts.items()}


def why(made: Closure) -> dict[str, str]:
    return {project: contents.reason(error) for project, error in made.refused.items()}


def test_a_new_name_waits_and_whoever_needs_it_with_it() -> None:
    releases = Releases([release("a", "1", "b"), release("b", "1", "c"), release("c", "1"), release("z", "1")])
    made = closure(asked("a", "z"), releases, Terms())
    assert versions(made) == {"z": "1"}
    assert why(made) == {
        "a": "it needs b, which waits for `portage-ext pypi confirm`",
        "b": "it is a new dependency of a; if you trust it, run: portage-ext pypi confirm b",
        "c": "it is a new dependency of b; if you trust it, run: portage-ext pypi confirm c",
    }
    assert versions(closure(asked("a", "z", consented="b c"), releases, Terms())) == {"a": "1", "b": "1", "c": "1", "z": "1"}


def test_what_another_repository_has_is_never_made() -> None:
    releases = Releases(
        [release("a", "1", "b>=2"), release("b", "9")], {"b": Provider("dev-python/b", ("1.0", "2.5"), "::gentoo")}
    )
    made = closure(asked("a", "b"), releases, Terms())
    assert versions(made) == {"a": "1"}
    assert made.drafts["a"].rdepend == ("\t>=dev-python/b-2[${PYTHON_USEDEP}]",)
    older = replace(releases, provided={"b": Provider("dev-python/b", ("1.0",), "::gentoo")})
    assert why(closure(asked("a"), older, Terms())) == {"a": "it needs b >=2, and ::gentoo has only 1.0"}


def test_the_newest_that_all_admit() -> None:
    releases = Releases(
        [release("a", "1", "c"), release("b", "1", "c<3"), *(release("c", str(number)) for number in range(1, 5))]
    )
    assert versions(closure(asked("a", "b", "c"), releases, Terms()))["c"] == "2"
    assert versions(closure(asked("a", "c"), releases, Terms()))["c"] == "4"
    assert versions(closure(asked("a", "c==3"), releases, Terms()))["c"] == "3"
    refused = why(closure(asked("a", "b", "c>=3"), releases, Terms()))
    assert refused["c"] in ("no version of it is <3,>=3", "no version of it is >=3,<3")
    assert refused["a"].startswith("it needs c, which is not here: no version")


def test_extras_become_flags_of_what_is_made() -> None:
    releases = Releases([release("a", "1", "b[more]"), release("b", "1", 'c; extra == "more"'), release("c", "1")])
    made = closure(asked("a", "b", "c"), releases, Terms())
    assert made.drafts["a"].rdepend == ("\tdev-python/b[more,${PYTHON_USEDEP}]",)
    assert made.drafts["b"].flags == ("more",)
    assert made.drafts["b"].rdepend == ("\tmore? (", "\t\tdev-python/c[${PYTHON_USEDEP}]", "\t)")
    elsewhere = Releases([release("a", "1", "b[more]")], {"b": Provider("dev-python/b", ("1",))})
    assert "write a line into the file `names`: b[more] dev-python/b[FLAG]" in why(closure(asked("a"), elsewhere, Terms()))["a"]


def test_circles_are_no_matter() -> None:
    releases = Releases([release("a", "1", "b"), release("b", "1", "a")])
    assert versions(closure(asked("a", "b"), releases, Terms())) == {"a": "1", "b": "1"}
    assert not closure(asked("a"), releases, Terms()).drafts


def test_native_code_is_refused_until_somebody_knows_what_it_needs() -> None:
    releases = Releases([release("a", "1", native=True)])
    assert "native" in why(closure(asked("a"), releases, Terms()))["a"]
    made = closure(asked("a"), releases, Terms(names=parse_names("native a dev-libs/x", "names")))
    assert (made.drafts["a"].native, made.drafts["a"].depend, made.drafts["a"].rdepend) == (
        True,
        ("\tdev-libs/x",),
        ("\tdev-libs/x",),
    )


def test_a_release_that_cannot_be_used_leaves_the_earlier_one() -> None:
    earlier = release("a", "1", "b")
    releases = Releases([release("a", "2", "new"), release("b", "1"), release("new", "1")])
    made = closure(asked("a", "b", kept=(earlier,)), releases, Terms())
    assert versions(made) == {"a": "1", "b": "1"}
    assert contents.reason(made.behind["a"]) == "it needs new, which waits for `portage-ext pypi confirm`"
    assert why(made) == {"new": "it is a new dependency of a; if you trust it, run: portage-ext pypi confirm new"}
    gone = closure(asked("a", "b", kept=(earlier,)), Releases([release("b", "1")]), Terms())
    assert versions(gone) == {"a": "1", "b": "1"}
    yanked = Releases([release("b", "1")], errors={"a": YankedError("a 1", "bad")})
    assert versions(closure(asked("a", "b", kept=(earlier,)), yanked, Terms())) == {"b": "1"}


def test_an_unknown_licence_and_a_name_for_two() -> None:
    releases = Releases([release("a", "1", licence="LicenseRef-own"), release("b", "1"), release("c", "1")])
    terms = Terms(names=parse_names("b dev-python/same\nc dev-python/same", "names"))
    made = closure(asked("a", "b", "c"), releases, terms)
    assert versions(made) == {"b": "1"}
    assert "LicenseRef-own" in why(made)["a"]
    assert "which is b already" in why(made)["c"]


def test_the_same_closure_gives_the_same_bytes_and_is_read_back() -> None:
    releases = Releases([release("b", "1", "a"), release("a", "1"), release("n", "1", native=True)])
    wanted = asked("b", "a", "n")
    made = closure(wanted, releases, Terms())
    files = contents.contents(made, wanted, Lock(), ["gentoo"], "https://index.example/simple/")
    assert files == contents.contents(
        closure(wanted, releases, Terms()), wanted, Lock(), ["gentoo"], "https://index.example/simple/"
    )
    assert sorted(files) == [
        "dev-python/a/Manifest", "dev-python/a/a-1.ebuild", "dev-python/a/metadata.xml",
        "dev-python/b/Manifest", "dev-python/b/b-1.ebuild", "dev-python/b/metadata.xml",
        "metadata/layout.conf", RECORD, KEPT, LOCK, "profiles/categories", "profiles/repo_name",
    ]  # fmt: skip
    kept = read_kept(files[KEPT].data.decode())
    assert kept == dict(made.candidates)
    assert parse(files[LOCK].data.decode(), "lock").entries == {("a", Version("1")): SHA, ("b", Version("1")): SHA}
    for damaged in ("", "{", "[]", '{"a": 1}', '{"a": {"metadata": 1}}', "[" * 9999):
        assert read_kept(damaged) == {}
