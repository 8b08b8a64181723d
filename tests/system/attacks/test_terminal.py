"""What a server sends is shown to root: no terminal obeys any of it. Through real emerge and the commands."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path

import pytest

from tests.system.attacks.lab import REPO, Lab
from tests.testkit import keys
from tests.testkit.hostile import Answer, Handler, Hostile
from tests.testkit.outcome import Outcome

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\u202egnorw"
FLAGS = "/app-misc/flags/flags-2.0-1.gpkg.tar"


def harmless(outcome: Outcome) -> Outcome:
    """Of everything that was printed a terminal obeys nothing."""
    said = outcome.text.translate(dict.fromkeys(map(ord, "\n\t\r")))
    assert said.isprintable(), [char for char in said if not char.isprintable()]
    assert "Traceback" not in outcome.text, outcome
    return outcome


def raw(data: str) -> Answer:
    """These bytes, and the end of the connection."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(data.encode("utf-8"))

    return answer


ANSWERS = {
    "status": f"HTTP/1.1 {ESCAPE} x\r\n\r\n",
    "reason": f"HTTP/1.1 503 {ESCAPE}\r\nContent-Length: 0\r\n\r\n",
    "header": f"HTTP/1.1 200 OK\r\n{ESCAPE}: x\r\nContent-Length: {ESCAPE}\r\n\r\n",
    "chunk": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{ESCAPE}\r\n",
    "location": f"HTTP/1.1 302 x\r\nLocation: http://{ESCAPE}/\r\nContent-Length: 0\r\n\r\n",
    "location-path": f"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/{ESCAPE}\r\nContent-Length: 0\r\n\r\n",
    "garbage": ESCAPE,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("path", ["/Release", FLAGS], ids=["release", "package"])
def test_no_escape_sequence_of_an_answer_is_shown(lab: Lab, server: Hostile, path: str, answer: str) -> None:
    server.answers[path] = raw(answer)
    assert re.search(r"\[[a-z-]+\]", harmless(lab.emerge("app-misc/flags").failed()).text)


@pytest.mark.parametrize("release", ["optional", "required"])
def test_no_escape_sequence_of_a_text_in_place_of_a_release_or_index_is_shown(lab: Lab, release: str) -> None:
    if release == "optional":
        lab.settings("optional")
        lab.withdraw_release()
        (lab.directory / "Packages.zst").unlink()
        text = lab.index().replace("TIMESTAMP:", f"URI: http://{ESCAPE}/\nTTL: {ESCAPE}\nTIMESTAMP:", 1)
        lab.write_index(text.replace("CPV: app-misc/flags-2.0", f"CPV: app-misc/{ESCAPE}"))
    else:
        lab.write_release(f"Format: {ESCAPE}\n".encode())
    harmless(lab.emerge("app-misc/flags").failed())


@pytest.mark.parametrize("key", ["CPV", "PATH", "SIZE", "SLOT", "BLAKE2B", "IUSE", f"X{ESCAPE}"])
def test_no_escape_sequence_of_an_entry_is_shown(lab: Lab, key: str) -> None:
    lab.settings("optional")
    lab.withdraw_release()
    (lab.directory / "Packages.zst").unlink()
    lab.write_index(lab.index().replace("CPV: app-misc/flags-2.0\n", f"CPV: app-misc/flags-2.0\n{key}: {ESCAPE}\n"))
    harmless(lab.emerge("=app-misc/flags-2.0"))


def test_a_size_of_thousands_of_digits_is_an_entry_that_cannot_be_read(lab: Lab) -> None:
    lab.settings("optional")
    lab.withdraw_release()
    lab.edit(r"^SIZE: \d+$", f"SIZE: {'9' * 4400}", package="app-misc/flags-2.0")
    assert "[entry-identity]" in harmless(lab.emerge("=app-misc/flags-2.0").failed()).text


def test_no_escape_sequence_of_a_user_id_is_shown(lab: Lab, work: Path) -> None:
    home = work / "evil"
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text(keys.AGENT)
    user_id = "Evil \\x1b[31m\\x9b2J \u202e"
    try:
        keys.gpg(
            home, "--pinentry-mode", "loopback", "--passphrase", "", "--allow-freeform-uid",
            "--quick-generate-key", user_id.encode().decode("unicode_escape", "ignore"), "ed25519", "sign", "1y",
        )  # fmt: skip
        listing = keys.gpg(home, "--with-colons", "--list-secret-keys").decode(errors="replace")
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        (work / "evil.asc").write_bytes(keys.gpg(home, "--armor", "--export"))
    finally:
        keys.kill_agents(home)
    harmless(
        lab.client.run("portage-ext", "trust", "add", REPO, "--fingerprint", fingerprint, "--from", str(work / "evil.asc")).ok()
    )
    assert "Evil" in harmless(lab.client.run("portage-ext", "trust", "list").ok()).text
    harmless(lab.client.run("portage-ext", "check"))


def test_no_escape_sequence_of_an_address_is_shown(lab: Lab) -> None:
    """As one that was copied from somewhere into portage-ext.toml."""
    lab.settings(more=f'mirrors = ["http://{urllib.parse.quote(ESCAPE)}/", "http://h/\\u001b[31m\\u009b"]\n')
    (lab.directory / "Release").unlink()
    harmless(lab.emerge("app-misc/flags").failed())
    harmless(lab.client.run("portage-ext", "check"))
    harmless(lab.client.run("portage-ext", "why", "app-misc/flags"))
