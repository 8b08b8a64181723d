"""Which status lines of gpg say that a Manifest has one clear signature. tests/system/index has real gpg, keys and texts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.pkgdir import verified_once
from portage_ext.pkgdir.signatures import SignaturePolicy
from portage_ext.pkgdir.verified_once import VerifiedOnce, derived

PRIMARY = "A" * 40
LINES = [
    "NEWSIG a@example.invalid",
    f"KEY_CONSIDERED {PRIMARY} 0",
    "SIG_ID x 2026-01-01 1",
    f"GOODSIG {'A' * 16} A",
    f"VALIDSIG {PRIMARY} 2026-01-01 1 0 4 0 22 10 01 {PRIMARY}",
    "TRUST_ULTIMATE 0 pgp",
]


def test_only_the_words_of_a_single_good_signature_are_clear() -> None:
    found = derived(LINES, PRIMARY)
    assert found is not None
    assert found[0].primary == PRIMARY
    assert derived(LINES, "B" * 40) is None
    # The same long id, another key; and a key of ours that signed for another primary key.
    assert derived([line.replace(PRIMARY, f"{'B' * 24}{'A' * 16}") for line in LINES], PRIMARY) is None
    assert derived([line.replace(f"01 {PRIMARY}", f"01 {'B' * 40}") for line in LINES], PRIMARY) is None
    for needed in (0, 3, 4, 5):
        assert derived(LINES[:needed] + LINES[needed + 1 :], PRIMARY) is None
        assert derived([*LINES, LINES[needed]], PRIMARY) is None
    words = (
        "BADSIG ERRSIG EXPSIG EXPKEYSIG REVKEYSIG KEYEXPIRED KEYREVOKED NODATA NO_PUBKEY NOTATION_NAME POLICY_URL FAILURE ERROR"
    )
    for word in [*words.split(), "TRUST_UNDEFINED", "TRUST_NEVER", "TRUST_MARGINAL", "UNEXPECTED", "A_NEW_WORD"]:
        for place in range(len(LINES) + 1):
            assert derived([*LINES[:place], f"{word} 1 2", *LINES[place:]], PRIMARY) is None, word


@given(st.lists(st.sampled_from([*LINES, "BADSIG 1 A", "TRUST_NEVER", "NO_PUBKEY 1", f"VALIDSIG {'B' * 40} x 1"]), max_size=9))
def test_no_other_sequence_is_clear(status: list[str]) -> None:
    if derived(status, PRIMARY) is not None:
        assert {*LINES[3:], LINES[0]} <= set(status) <= set(LINES)


def test_two_threads_ask_once_whether_the_keyrings_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    both = Barrier(2)

    class Texts(list[bytes]):
        def __len__(self) -> int:
            if not self.seen:
                self.seen = True
                both.wait(60)
            return 100

        seen = False

    def alike(policy: SignaturePolicy, key: bytes, primary: str) -> bool:
        asked.append(primary)
        return False

    monkeypatch.setattr(verified_once, "alike", alike)
    once = VerifiedOnce(SignaturePolicy(), b"", "KEY")
    with ThreadPoolExecutor(2) as threads:
        assert all(one == [None] * 100 for one in threads.map(once.signatures, [Texts(), Texts()]))
    assert asked == ["KEY"]
