"""Many texts at once get the verdicts that each gets alone, in their order, and no text is put to gpg twice in a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from portage_ext.errors.trust import BadSignatureError, GpgError, TrustError
from portage_ext.trust import gpg, openpgp
from portage_ext.trust.openpgp import Signature
from tests.testkit import keys
from tests.testkit.crashing import KEY, crashing_gpg
from tests.testkit.keys import SigningKey


@pytest.fixture
def signers(work: Path) -> Iterator[dict[str, SigningKey]]:
    made = {
        "pinned": keys.new_key(work / "pinned"),
        "foreign": keys.new_key(work / "foreign"),
        "expired": keys.expired_key(work / "expired"),
    }
    yield made
    for key in made.values():
        keys.kill_agents(key.home)


def clearsigned(key: SigningKey, text: bytes, *options: str) -> bytes:
    return keys.gpg(key.home, *options, "--digest-algo", "SHA512", "--clear-sign", stdin=text)


def texts(signers: dict[str, SigningKey]) -> dict[str, bytes]:
    good = clearsigned(signers["pinned"], b"DATA one 1\n")
    then = time.strftime("%Y%m%dT%H%M%S!", time.gmtime(time.time() - 36 * 3600))
    return {
        "good": good,
        "changed": good.replace(b"DATA one 1", b"DATA one 2"),
        "foreign": clearsigned(signers["foreign"], b"DATA two 2\n"),
        "expired": clearsigned(signers["expired"], b"DATA old 1\n", "--faked-system-time", then),
        "unsigned": b"DATA one 1\n",
        "empty": b"",
    }


def test_many_texts_get_the_verdict_that_each_gets_alone(work: Path, signers: dict[str, SigningKey]) -> None:
    rings = []
    for name in ("pinned", "expired"):
        ring = work / f"{name}.gpg"
        ring.write_bytes(keys.gpg(signers[name].home, "--export"))
        rings.append(ring)
    before = [ring.read_bytes() for ring in rings]
    each = texts(signers)
    alone = {name: gpg.verify_clearsigned(rings, text) for name, text in each.items()}
    # A bad one behind a good one and before others, and more than one gpg takes.
    order = (["good"] * 20 + [*each] + ["good"] * 5) * 9
    assert len(order) > 256
    assert gpg.verify_many(rings, [each[name] for name in order]) == [alone[name] for name in order]
    assert gpg.verify_many(rings, [each[name] for name in each]) == list(alone.values())
    assert gpg.verify_many(rings, []) == []
    assert (
        gpg.verify_many([work / "absent.gpg"], [each["good"]] * 40)
        == [gpg.verify_clearsigned([work / "absent.gpg"], each["good"])] * 40
    )
    assert [ring.read_bytes() for ring in rings] == before


def test_a_gpg_that_is_killed_says_nothing_of_the_text_that_it_was_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its text would count as one without a signature, and would be signed."""
    monkeypatch.setenv("PATH", f"{crashing_gpg(tmp_path).parent}:/usr/bin:/bin")
    found = gpg.verify_many([], [b"a\n", b"once\n", b"b\n", b"crash\n", b"c\n"])
    assert [[one.verdict.name for one in some] for some in found] == [["GOOD"]] * 3 + [["CRASHED"]] + [["GOOD"]]
    with pytest.raises(BadSignatureError, match="crashed"):
        openpgp.judge(found[3], frozenset({KEY}), "x")
    with pytest.raises(GpgError, match="signal 9"):
        gpg.verify_clearsigned([], b"crash\n")


def test_a_text_is_put_to_gpg_once_in_a_run(
    work: Path, signers: dict[str, SigningKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    ring, key, each = work / "ring.gpg", signers["pinned"], texts(signers)
    ring.write_bytes(keys.gpg(key.home, "--export"))
    asked: list[int] = []
    whole = gpg.verify_many

    def counting(rings: Sequence[Path], some: Sequence[bytes]) -> list[tuple[Signature, ...]]:
        asked.append(len(some))
        return whole(rings, some)

    monkeypatch.setattr(gpg, "verify_many", counting)
    known: dict[bytes, tuple[Signature, ...]] = {}
    names = ["good", "changed", "good", "foreign"]
    judge = gpg.judge_many([ring], frozenset({key.fingerprint}), known)
    first = judge([each[name] for name in names], names)
    assert [isinstance(error, TrustError) for error in first] == [False, True, False, True]
    # What counts is decided by each judge; only gpg's words are kept.
    nobody = gpg.judge_many([ring], frozenset({"0" * 40}), known)
    assert all(isinstance(error, TrustError) for error in nobody([each[name] for name in names], names))
    assert asked == [3]
