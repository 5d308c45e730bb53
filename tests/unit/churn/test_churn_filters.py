"""Filters: what is understood, what is refused, and how it is said."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.churn.filters import MAX_DAYS, PLATFORMS, SLOTS, FilterError, Filters, parse

TODAY = date(2026, 11, 24)


def test_nothing_given_is_the_last_ninety_days_of_everything() -> None:
    assert parse({}, TODAY) == Filters(from_day=date(2026, 8, 27), to_day=TODAY)


@pytest.mark.parametrize(
    ("given_texts", "expected"),
    [
        ({"from": "2026-11-01"}, Filters(from_day=date(2026, 11, 1), to_day=TODAY)),
        ({"to": "2026-11-10"}, Filters(from_day=date(2026, 8, 13), to_day=date(2026, 11, 10))),
        ({"from": "2026-11-01", "to": "2030-01-01"}, Filters(from_day=date(2026, 11, 1), to_day=TODAY)),
        ({"from": "2026-11-24"}, Filters(from_day=TODAY, to_day=TODAY)),
        ({"slot": "calls"}, Filters(from_day=date(2026, 8, 27), to_day=TODAY, slot="calls")),
        ({"platform": "ios"}, Filters(from_day=date(2026, 8, 27), to_day=TODAY, platform="ios")),
        ({"app_id": "com.a'b"}, Filters(from_day=date(2026, 8, 27), to_day=TODAY, app_id="com.a'b")),
        ({"weeks": "0"}, Filters(from_day=date(2026, 8, 27), to_day=TODAY, weeks=0)),
        ({"weeks": "", "slot": "", "utm": "x"}, Filters(from_day=date(2026, 8, 27), to_day=TODAY)),
    ],
)  # fmt: skip
def test_texts_to_filters(given_texts: dict[str, str], expected: Filters) -> None:
    assert parse(given_texts, TODAY) == expected


@pytest.mark.parametrize(
    ("given_texts", "said"),
    [
        ({"from": "yesterday"}, "from must be a day such as 2026-11-24"),
        ({"to": "2026-13-01"}, "to must be a day such as 2026-11-24"),
        ({"from": "1969-12-31"}, "from must be from 1970-01-02"),
        ({"from": "2026-11-25"}, "from (2026-11-25) is after to (2026-11-24)"),
        ({"from": "1999-01-01"}, f"more than {MAX_DAYS} days apart"),
        ({"slot": "voice"}, "slot must be one of calls, other"),
        ({"platform": "iOS"}, "platform must be one of ios, android, unknown"),
        ({"weeks": "-1"}, "weeks must be a number"),
        ({"weeks": "1000"}, "weeks must be a number"),
        ({"weeks": "٣"}, "weeks must be a number"),
        ({"app_id": "x" * 9000}, "app_id is longer than"),
    ],
)
def test_what_is_wrong_is_said(given_texts: dict[str, str], said: str) -> None:
    with pytest.raises(FilterError) as error:
        parse(given_texts, TODAY)
    assert said in str(error.value)


NAMES = st.sampled_from(("from", "to", "slot", "app_id", "platform", "weeks"))
TEXTS = st.one_of(st.text(max_size=20), st.dates().map(str), st.sampled_from((*SLOTS, *PLATFORMS, "4")))


@given(st.dictionaries(NAMES, TEXTS), st.dates(date(1970, 6, 1), date(2149, 1, 1)))
def test_any_text_gives_usable_filters_or_a_reason(given_texts: dict[str, str], today: date) -> None:
    try:
        found = parse(given_texts, today)
    except FilterError as error:
        assert any(name in str(error) for name in ("from", "to", "slot", "app_id", "platform", "weeks"))
        return
    assert date(1970, 1, 2) <= found.from_day <= found.to_day <= today
    assert (found.to_day - found.from_day).days < MAX_DAYS
    assert found.slot in SLOTS and found.platform in PLATFORMS and 0 <= found.weeks <= 999
    assert set(found.parameters()) == {"from", "to", "slot", "app_id", "platform", "weeks"}
