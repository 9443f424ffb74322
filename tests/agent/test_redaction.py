"""Secrets stay out of streams, however they are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gauntlet.agent.redaction import Redactor

SECRETS = st.lists(st.text(alphabet="ab", min_size=6, max_size=9), max_size=3)
PIECES = st.lists(st.text(alphabet="abc", max_size=12), max_size=8)


@given(SECRETS, PIECES)
def test_no_secret_survives_in_a_stream_however_it_is_cut(secrets: list[str], pieces: list[str]) -> None:
    around = [piece for pair in zip(pieces, [*secrets, *[""] * len(pieces)], strict=False) for piece in pair]
    redactor = Redactor(secrets)
    masked = b"".join(redactor.next(piece.encode()) for piece in around) + redactor.rest()
    assert not any(secret.encode() in masked for secret in secrets)


@given(SECRETS, PIECES)
def test_text_without_a_secret_is_left_as_it_is(secrets: list[str], pieces: list[str]) -> None:
    whole = "".join(pieces)
    if not any(secret in whole for secret in secrets):
        redactor = Redactor(secrets)
        assert b"".join(redactor.next(piece.encode()) for piece in pieces) + redactor.rest() == whole.encode()


def test_a_secret_is_masked_as_json_writes_it_too() -> None:
    assert Redactor(['pass"wörd']).whole(rb'["pass\"w\u00f6rd"]') == b'["***"]'
    assert Redactor(['pass"wörd']).text('x pass"wörd') == "x ***"


def test_short_values_are_left_alone() -> None:
    assert Redactor(["1", ""]).text("1 of 10") == "1 of 10"
