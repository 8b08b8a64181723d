"""A sync-uri may hold a password: no output shows it, and no file that others can read keeps it. Through real emerge and the
commands."""

from __future__ import annotations

import json

import pytest

from tests.system.attacks import lab as laboratory
from tests.system.attacks.lab import REPO, Lab, flip
from tests.testkit import hostile, portages
from tests.testkit.hostile import Answer, Handler, Hostile
from tests.testkit.outcome import Outcome

SECRET = "s3cret"
EVERY = portages.every(laboratory.VARIABLE)
FLAGS = "/app-misc/flags/flags-2.0-1.gpkg.tar"


@pytest.fixture
def address(server: Hostile) -> str:
    """With a password."""
    return server.url.replace("://", f"://me:{SECRET}@")


def change_address(lab: Lab, url: str) -> None:
    """Another sync-uri."""
    lab.client.etc("binrepos.conf/lab.conf", laboratory.binrepo(lab.client, REPO, url.replace("%", "%%")))


def kept(lab: Lab, *outcomes: Outcome) -> None:
    """The password is in nothing that was printed, and in no file that others can read but those of the administrator."""
    for outcome in outcomes:
        assert SECRET not in outcome.text, outcome
        assert "Traceback" not in outcome.text, outcome
    for path in lab.client.path.rglob("*"):
        if path.is_file() and not path.is_symlink() and "etc" not in path.parts and path.stat().st_mode & 0o044:
            assert SECRET.encode() not in path.read_bytes(), path


def redirecting(target: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_a_fetch_of_index_and_package(lab: Lab) -> None:
    outcome = lab.accepted()
    kept(lab, outcome, lab.emerge("--pretend", "app-misc/flags"))
    assert "me:*@127.0.0.1" in outcome.text


def test_a_refused_index_and_a_refused_package(lab: Lab) -> None:
    flip(lab.package("app-misc/flags-2.0"))
    kept(lab, lab.refused("CorruptFileError"))
    lab.write_index(lab.index() + "\n")
    lab.publish()
    flip(lab.directory / "Packages.zst")
    kept(lab, lab.refused("IndexMismatchError", "app-misc/hello"))
    flip(lab.directory / "Release")
    kept(lab, lab.refused("BadSignatureError", "app-misc/hello"))


@pytest.mark.parametrize(
    "target",
    [
        "http://[::1",
        "//[x]/",
        f"http://me:{SECRET}@127.0.0.1:1/",
        f"http://me:{SECRET}@h:99999/",
        f"ftp://me:{SECRET}@h/",
        "/Release",
    ],
)
def test_a_redirect(lab: Lab, server: Hostile, target: str) -> None:
    server.answers["/Release"] = redirecting(target)
    kept(lab, lab.emerge("app-misc/flags").failed())
    del server.answers["/Release"]
    server.answers[FLAGS] = redirecting(target)
    kept(lab, lab.emerge("app-misc/flags").failed())


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{SECRET}@127.0.0.1:1",
        f"http://me%40example.org:{SECRET}@127.0.0.1:1",
        f"http://me@example.org:{SECRET}@127.0.0.1:1",
        f"http://me:{SECRET}\u20ac@127.0.0.1:1",
        f"https://me:{SECRET}@127.0.0.1:1",
        f"ssh://me:{SECRET}@127.0.0.1:1/x",
        f"ftp://me:{SECRET}@127.0.0.1/x",
    ],
)
def test_addresses_that_cannot_be_reached(lab: Lab, url: str) -> None:
    change_address(lab, url)
    run = lab.client.run
    # Without roots it would be the memory of this machine that is locked.
    roots = ("--config-root", str(lab.client.path), "--root", str(lab.client.path))
    kept(
        lab,
        lab.emerge("app-misc/flags").failed(),
        *(run("portage-ext", *words) for words in (["check"], ["check", "--json"], ["why", "app-misc/flags"])),
        run("portage-ext", "fetch", "--repo", REPO, "--uri", f"{url}/Packages.gz", "--output", "/dev/null", "--json", *roots),
    )


@pytest.mark.parametrize("url", [f"http://me:{SECRET}@[::1", f"http://me:{SECRET}/x@h", f"ssh://me:{SECRET}@h:99999"])
def test_an_address_that_portage_cannot_take_apart(lab: Lab, url: str) -> None:
    """Portage itself ends with a traceback at such a one; ours say what is wrong with it."""
    words = ("--config-root", str(lab.client.path), "--root", str(lab.client.path))
    output = ("--output", str(lab.client.path / "tmp/out"))
    outcome = lab.client.run("portage-ext", "fetch", "--repo", REPO, "--uri", f"{url}/Packages.gz", *output, *words).failed()
    kept(lab, outcome)
    assert "[unsupported-url]" in outcome.text


@pytest.mark.slow
def test_mirrors_of_the_settings(lab: Lab, server: Hostile) -> None:
    mirrors = [f"http://me:{SECRET}@127.0.0.1:1", f"http://me:{SECRET}@[::1", f"ftp://me:{SECRET}@h"]
    lab.settings(more=f"mirrors = {json.dumps(mirrors)}\n")
    server.answers["/Release"] = hostile.status(503)
    server.answers[FLAGS] = hostile.status(404)
    kept(lab, lab.emerge("app-misc/flags").failed())
    del server.answers["/Release"]
    kept(lab, lab.emerge("app-misc/flags").failed(), lab.client.run("portage-ext", "check"))
    lab.client.etc("portage-ext.toml", f'[binrepo.lab]\nmirrors = "http://me:{SECRET}@h"\n')
    kept(lab, lab.emerge("app-misc/flags").failed(), lab.client.run("portage-ext", "check"))


def test_the_commands(lab: Lab, server: Hostile) -> None:
    lab.remembers()
    run = lab.client.run
    asking = [
        ["status"], ["check", "--json"], ["trust", "list"], ["postsync", "--now"], ["compare", lab.url],
        ["compare", REPO, "--json"], ["why", "--all", "--fetch", "app-misc/hello"],
    ]  # fmt: skip
    if EVERY:
        asking += [
            ["status", "--json"], ["check"], ["compare", REPO], ["compare", lab.url, "--unverified"],
            ["why", "--fetch", "--json", "app-misc/hello"],
        ]  # fmt: skip
    answers: list[tuple[str, Answer | None]] = [
        ("/", None),
        ("/Release", hostile.status(404)),
        ("/app-misc/hello/hello-1.1-1.gpkg.tar", hostile.status(404)),
        ("/Release", hostile.status(500)),
    ]
    for number, (path, answer) in enumerate(answers):
        if answer is not None:
            server.answers[path] = answer
        # Each command meets one of the answers, or in make test-attacks all, and there each in all its forms.
        step = 1 if EVERY else len(answers)
        kept(lab, *(run("portage-ext", *words) for words in asking[number % step :: step]))


def test_a_key_from_an_address(lab: Lab, server: Hostile) -> None:
    (lab.directory / "key.asc").write_bytes(lab.key.public())
    words = ("portage-ext", "trust", "add", REPO, "--fingerprint", lab.key.fingerprint, "--from")
    kept(lab, lab.client.run(*words, f"{lab.url}/key.asc").ok())
    for where in (
        f"{lab.url}/absent.asc",
        f"http://me:{SECRET}@[::1/k",
        f"ftp://me:{SECRET}@h/k",
        f"ssh://me:{SECRET}@h:99999/k",
    ):
        kept(lab, lab.client.run(*words, where).failed())
    (lab.directory / "key.asc").write_bytes(b"no key")
    kept(lab, lab.client.run(*words, f"{lab.url}/key.asc").failed())


def test_a_binhost_in_the_environment(lab: Lab) -> None:
    lab.client.settings["PORTAGE_BINHOST"] = lab.url
    lab.client.write_settings()
    kept(
        lab,
        lab.client.emerge("-1", "--pretend", "--getbinpkg=n", "app-misc/flags").ok(),
        lab.client.run("portage-ext", "check"),
        lab.client.run("portage-ext", "status"),
    )


def test_what_portage_says_of_a_refused_index(lab: Lab) -> None:
    lab.withdraw_release()
    outcome = lab.refused("MissingReleaseError")
    kept(lab, outcome)
    assert "No verified index from http://me:*@127.0.0.1" in outcome.text
