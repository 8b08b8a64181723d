"""Wrong input of each kind: usage is printed for wrong words alone, and a message says what is wrong in words for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.commands import parsers
from tests.testkit.roots import Root

WITHOUT_RESULT = {
    (), ("setup",), ("completion",), ("serve",), ("postsync",), ("after-emerge",), ("trust", "add"), ("trust", "remove"),
    ("trust", "forget"),
    ("root", "init"), ("root", "next"), ("root", "sign"), ("root", "publish"), ("target", "capture"), ("target", "forget"),
    ("target", "add"), ("target", "copy"), ("target", "pin"), ("target", "unpin"),
    ("builds", "log"), ("builds", "cancel"), ("builds", "retry"), ("builds", "run"), ("deploy",),
    ("pick", "add"), ("pick", "remove"), ("ebuild", "pypi"), ("ebuild", "bump"), ("pypi", "confirm"), ("graph",),
    ("builder", "join"), ("builder", "run"), ("builder", "drain"), ("builder", "resume"), ("builder", "perform"),
    ("builds", "accept"), ("builds", "drain"), ("builds", "gc"), ("builds", "perform"), ("builds", "resume"),
    ("coordinator", "add"), ("coordinator", "drain"), ("coordinator", "remove"), ("coordinator", "resume"),
    ("coordinator", "run"), ("coordinator", "setup"), ("door",), ("metrics",),
    ("config", "publish"), ("config", "withdraw"), ("config", "follow"), ("config", "unfollow"),
}  # fmt: skip
"""Commands without a result for programs: they say what they did, print a file, or run until they are stopped. `graph` has a
format of its own for JSON, `door` speaks JSON alone, and `metrics` prints what Prometheus reads."""


def test_every_command_with_a_result_prints_json() -> None:
    options = parsers.options()
    groups = {path[:-1] for path in options if path}
    assert {path for path, names in options.items() if path not in groups and "--json" not in names} == WITHOUT_RESULT - {()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mirror",), "portage-ext mirror: portage-ext.toml has no tree in [publish] (repositories: none). Name the tree with"),
        (("releases",), "portage-ext releases: portage-ext.toml has no tree in [publish] (repositories: none). Name the tree"),
        (("show", "/nonexistent"), "portage-ext show: /nonexistent is neither a file that is there nor a package atom such as"),
        (("contract", "/bin/bash"), "portage-ext contract: /bin/bash: it is neither a gpkg nor an xpak package"),
        (("compare", "nosuch"), "portage-ext compare: nosuch is not a file, a directory or a section of binrepos.conf"),
        (("reindex", "--pkgdir", "/etc"), "portage-ext reindex: PKGDIR /etc: it has files, but no index and no package."),
        (("sign", "--pkgdir", "/etc"), "portage-ext sign: gpg: there is no secret key in the gpg home of this user"),
        (
            ("root", "show", "/nonexistent"),
            "portage-ext root: /nonexistent: there is no root [no-root-made].",
        ),
        (("release", "show"), "portage-ext release: "),
        (("trust", "add", "lab", "--fingerprint", "12"), "portage-ext trust: 12: it is not a whole fingerprint"),
    ],
)
def test_what_is_not_there_is_one_line_without_usage(client: Root, words: tuple[str, ...], said: str) -> None:
    run = client.run("portage-ext", *words).failed()
    assert (run.status, run.stdout) == (1, "")
    assert run.stderr.startswith(said), run
    assert run.stderr.count("\n") == 1
    for strange in ("usage:", "Error", "Errno", "InvalidAtom", "Traceback"):
        assert strange not in run.stderr, run
    assert not Path("/etc/Packages").exists()


def test_wrong_words_are_answered_with_usage(client: Root) -> None:
    for words in (("trust", "add", "lab"), ("publish", "--gates"), ("clean", "--builds", "0"), ("reindex", "--jobs", "-1")):
        run = client.run("portage-ext", *words).failed()
        assert (run.status, run.stderr.startswith(f"usage: portage-ext {words[0]}")) == (2, True), run


def test_a_directory_that_looks_like_no_pkgdir_is_indexed_when_that_is_meant(client: Root, work: Path) -> None:
    (work / "pkgs").mkdir()
    (work / "pkgs/README").write_text("mine")
    run = client.run("portage-ext", "reindex", "--pkgdir", str(work / "pkgs")).failed()
    assert f"portage-ext reindex --force --pkgdir {work / 'pkgs'}" in run.stderr
    client.run("portage-ext", "reindex", "--force", "--pkgdir", str(work / "pkgs")).ok()
    (work / "new").mkdir()
    assert (
        json.loads(client.run("portage-ext", "reindex", "--json", "--pkgdir", str(work / "new")).ok().stdout)["packages"] == 0
    )
