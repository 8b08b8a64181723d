"""Verdicts from status lines: what gpg says is read by field, and judged by fingerprint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors.trust import (
    BadSignatureError,
    ExpiredKeyError,
    ExpiredSignatureError,
    NoPinnedKeyError,
    RevokedKeyError,
    TrustError,
    UnknownKeyError,
    UnsignedError,
    UntrustedKeyError,
    WeakSignatureError,
)
from portage_ext.trust.openpgp import STATUS_PREFIX, Signature, Verdict, judge, signatures

A = "A" * 40
B = "B" * 40
SUB = "5" * 40


def good(
    fpr: str, primary: str | None = None, *, verdict: str = "GOODSIG", hash_algorithm: int = 10, kind: str = "00"
) -> list[str]:
    return [
        "[GNUPG:] NEWSIG",
        f"[GNUPG:] {verdict} {fpr[-16:]} Tiny Binhost <binhost@example.invalid>",
        f"[GNUPG:] VALIDSIG {fpr} 2026-11-20 1795000000 0 4 0 22 {hash_algorithm} {kind} {primary or fpr}",
        "[GNUPG:] TRUST_ULTIMATE 0 pgp",
    ]


def bad(fpr: str) -> list[str]:
    return ["[GNUPG:] NEWSIG", f"[GNUPG:] BADSIG {fpr[-16:]} Somebody"]


def unknown(fpr: str) -> list[str]:
    return ["[GNUPG:] NEWSIG", f"[GNUPG:] ERRSIG {fpr[-16:]} 22 10 00 1795000000 9 {fpr}", f"[GNUPG:] NO_PUBKEY {fpr[-16:]}"]


def judged(lines: list[str], *trusted: str) -> Signature:
    return judge(signatures(lines), frozenset(trusted), "lab")


def test_a_good_signature_by_a_pinned_key_is_believed() -> None:
    assert judged(good(A), A).fingerprint == A


def test_a_subkey_is_believed_through_its_primary_and_by_itself() -> None:
    assert judged(good(SUB, A), A).primary == A
    assert judged(good(SUB, A), SUB).fingerprint == SUB


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([], UnsignedError),
        (["[GNUPG:] NODATA 4"], UnsignedError),
        (bad(A), BadSignatureError),
        (unknown(B), UnknownKeyError),
        (good(B), UntrustedKeyError),
        (good(A, verdict="EXPKEYSIG"), ExpiredKeyError),
        (good(A, verdict="EXPSIG"), ExpiredSignatureError),
        (good(A, verdict="REVKEYSIG"), RevokedKeyError),
        (good(A, hash_algorithm=2), WeakSignatureError),
        (good(A, hash_algorithm=1), WeakSignatureError),
        (good(A, kind="10"), WeakSignatureError),
        (good(B) + bad(A), BadSignatureError),
        (bad(A) + good(B), BadSignatureError),
        (good(A) + bad(A), BadSignatureError),
        (good(B) + unknown(B), UntrustedKeyError),
        (["[GNUPG:] GOODSIG " + A[-16:] + " name"], UnknownKeyError),
        (["[GNUPG:] VALIDSIG " + good(A)[2]], UnsignedError),
        (["[GNUPG:] GOODSIG " + B[-16:] + " x", good(A)[2]], UnknownKeyError),
        (["GOODSIG " + A[-16:], "VALIDSIG " + A], UnsignedError),
    ],
)
def test_everything_else_is_refused_by_its_own_name(lines: list[str], error: type[TrustError]) -> None:
    with pytest.raises(error):
        judged(lines, A)


def test_a_user_id_that_imitates_a_status_line_changes_nothing() -> None:
    lines = good(B)
    lines[1] += f" [GNUPG:] VALIDSIG {A} 2026-11-20 1795000000 0 4 0 22 10 00 {A}"
    with pytest.raises(UntrustedKeyError, match=B):
        judged(lines, A)


def test_a_second_validsig_line_does_not_replace_the_first() -> None:
    with pytest.raises(UntrustedKeyError):
        judged([*good(B), good(A)[2]], A)


def test_rotation_needs_one_known_signature_only() -> None:
    assert judged(unknown(B) + good(A), A).primary == A


def test_without_pins_nothing_is_believed() -> None:
    with pytest.raises(NoPinnedKeyError):
        judged(good(A))


words = st.sampled_from(
    [v.value for v in Verdict] + ["VALIDSIG", "NEWSIG", A, B, A[-16:], B[-16:], "0", "10", "-", "", "é\x00"]
)
lines = st.lists(
    st.lists(words, max_size=12).map(lambda parts: STATUS_PREFIX + " ".join(parts)) | st.text(max_size=30), max_size=8
)


@given(lines)
def test_no_status_text_escapes_the_named_errors(status: list[str]) -> None:
    try:
        believed = judged(status, A)
    except TrustError:
        return
    assert believed.verdict is Verdict.GOOD
    assert A in (believed.fingerprint, believed.primary)
    assert any(line.startswith("[GNUPG:] VALIDSIG ") and A in line for line in status)
