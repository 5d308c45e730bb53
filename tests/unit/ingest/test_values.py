"""What a sent value means, as tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.refusal import RefusedError
from ingest.values import Limits, decode_pair, decode_path, normalise
from ingest.variables import FIELDS, TOKENS, Field

LIMITS = Limits(max_field=100)

ABSENT = ["", " ", " \t\r\n", "null", "NULL", " null ", "(null)", "%pushTokenOther%", "%account[username]%", "+", "++"]


@pytest.mark.parametrize("text", ABSENT)
@pytest.mark.parametrize("field", FIELDS)
def test_absent(field: Field, text: str) -> None:
    assert normalise(field, text, LIMITS) is None


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("username", " johndow ", "johndow"),
        ("username", "nullify", "nullify"),
        ("username", "100%", "100%"),
        ("username", "%5%", "%5%"),
        ("username", "jörg 東京", "jörg 東京"),
        ("calls_token", "ab cd", "ab+cd"),
        ("calls_token", " abcd ", "abcd"),
        ("other_token", "dQw4:APA91b_-x", "dQw4:APA91b_-x"),
        ("other_token", "<32 hex>", "<32+hex>"),
        ("selector", "12869E0e:7c3A", "12869E0e:7c3A"),  # case is kept as sent
        ("selector", "any thing", "any thing"),
        ("calls_app_id", "com.x app", "com.x app"),
    ],
)
def test_present(field: Field, text: str, value: str) -> None:
    assert normalise(field, text, LIMITS) == value


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("username", "a\0b", "control_character"),
        ("username", "a\x7fb", "control_character"),
        ("username", "a\x85b", "control_character"),
        ("username", "a\nb", "control_character"),
        ("username", "a\u2028b", "control_character"),
        ("username", "a\ud800", "control_character"),
        ("calls_token", "a\tb", "control_character"),
        ("username", "x" * 101, "too_long"),
        ("username", "é" * 51, "too_long"),
        ("other_token", "tökén", "not_a_token"),
    ],
)
def test_refused(field: Field, text: str, reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        normalise(field, text, LIMITS)
    assert (caught.value.status, caught.value.reason, caught.value.field) == (400, reason, field)
    assert text not in str(caught.value)


def test_the_longest_that_fits() -> None:
    assert normalise("username", "x" * 100, LIMITS) == "x" * 100
    assert normalise("username", "é" * 50, LIMITS) == "é" * 50


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14", True),
        ("12869e0e6e553673c54f29105a0647204c416a2a:7c3a0d14", True),
        ("12869E0E6E553673C54F29105A0647204C416A2A", False),
        ("12869E0E6E553673C54F29105A0647204C416A2A:", False),
        ("johndow", False),
    ],
)
def test_strict_selectors(text: str, fits: bool) -> None:
    strict = Limits(strict_selector=True)
    assert normalise("selector", text, Limits()) == text
    if fits:
        assert normalise("selector", text, strict) == text
    else:
        with pytest.raises(RefusedError, match="SHA1"):
            normalise("selector", text, strict)


@pytest.mark.parametrize(
    ("field", "raw", "text"),
    [
        ("calls_token", "ab+cd%2Fef%3D", "ab+cd/ef="),
        ("calls_token", "%2B+%2B", "+++"),
        ("calls_token", "%pushTokenIncomingCall%", "%pushTokenIncomingCall%"),
        ("username", "%account[username]%", "%account[username]%"),
        ("username", "%account%5Busername%5D%", "%account%5Busername%5D%"),
        ("username", "+442071838750", "+442071838750"),
        ("username", "%2B442071838750", "+442071838750"),
        ("username", "+johndow+", "johndow"),
        ("username", "john+dow", "john dow"),
        ("username", "john+dow@example.org", "john+dow@example.org"),
        ("username", "john+dow%40example.org+", "john+dow@example.org"),
        ("username", "+44207@example.org", "+44207@example.org"),
        ("selector", "+ab+cd+", "ab+cd"),
        ("calls_app_id", "com.x+y", "com.x y"),
        ("install_id", "a%20b", "a b"),
        ("username", "100%", "100%"),
        ("username", "a%zzb", "a%zzb"),
    ],
)
def test_decoding_in_query_and_form(field: Field, raw: str, text: str) -> None:
    assert decode_pair(field, raw) == text


@pytest.mark.parametrize(
    ("field", "raw", "text"),
    [
        ("calls_token", "ab+cd%2Fef", "ab+cd/ef"),
        ("username", "john+dow", "john+dow"),
        ("username", "%account[username]%", "%account[username]%"),
        ("username", "j%C3%B6rg", "jörg"),
    ],
)
def test_decoding_in_a_path(field: Field, raw: str, text: str) -> None:
    assert decode_path(field, raw) == text


@given(st.sampled_from(FIELDS), st.text(max_size=120))
def test_any_text_is_a_value_absent_or_refused(field: Field, text: str) -> None:
    try:
        value = normalise(field, text, LIMITS)
    except RefusedError as error:
        assert error.field == field
        return
    if value is None:
        return
    assert value == normalise(field, value, LIMITS)
    assert 0 < len(value.encode()) <= 100
    assert value == value.strip(" \t\r\n")
    assert field not in TOKENS or all("!" <= sign <= "~" for sign in value)


@given(st.sampled_from(FIELDS), st.binary(max_size=60))
def test_any_escapes_are_text_or_refused(field: Field, data: bytes) -> None:
    raw = "".join(f"%{byte:02X}" if byte % 3 else chr(byte % 94 + 33) for byte in data)
    for decode in (decode_pair, decode_path):
        try:
            assert isinstance(decode(field, raw), str)
        except RefusedError as error:
            assert error.reason == "not_utf8"
