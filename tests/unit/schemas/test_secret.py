"""Secrets and tokens do not show themselves."""

import copy
import json
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.secret import Secret, mask_token

TEXT = st.text(min_size=4)


@given(text=TEXT)
def test_no_way_of_printing_shows_it(text: str) -> None:
    secret = Secret(text)
    shown = {str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", f"{secret} {secret!r}", repr([secret])}
    assert {part for part in shown if part.strip(" []") in ("***", "Secret(***)", "*** Secret(***)")} == shown
    assert secret.reveal() == text


def test_empty_is_false_and_shows_as_empty() -> None:
    assert (bool(Secret()), str(Secret()), repr(Secret())) == (False, "", "Secret()")
    assert Secret("x")


@given(one=st.text(), other=st.text())
def test_equal_when_the_texts_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) == (one == other)
    assert hash(Secret(one)) == hash(Secret(one))
    assert Secret(one) != one


def test_common_ways_out_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("hush-hush")
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        vars(secret)
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("with %s", secret)
    assert "hush" not in caplog.text
    assert copy.deepcopy(secret) == pickle.loads(pickle.dumps(secret)) == secret


@given(token=st.text())
def test_a_masked_token_tells_its_length_only(token: str) -> None:
    assert mask_token(token) == f"<token {len(token)}>"


def test_no_token_stays_none() -> None:
    assert mask_token(None) is None
