"""Rows to what a chart draws."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.dashboard.charts import CHARTS
from deploy.dashboard.series import MAX_SERIES, Series, draw
from processors.churn.filters import Filters
from processors.clickhouse import Rows

DAY = date(2026, 11, 20)
FOUR_DAYS = Filters(from_day=DAY, to_day=DAY + timedelta(days=3))


def rows(names: str, *found: Sequence[Any]) -> Rows:
    return Rows(tuple(names.split()), found)


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def test_a_line_has_a_value_for_each_day() -> None:
    drawing = draw(
        CHARTS["reach"],
        rows("day held reachable share", *((day(n), 10 + n, 8 + n, (8 + n) / (10 + n)) for n in range(4))),
        FOUR_DAYS,
    )
    assert drawing.labels == ["2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"]
    assert drawing.series == [Series("Reachable", [8, 9, 10, 11]), Series("With a token", [10, 11, 12, 13])]
    assert (drawing.headline, drawing.note) == ("11", "of 13 with a token (84.6%) on 2026-11-23")


def test_bars_stand_on_days_without_a_row_at_nought_and_add_up() -> None:
    drawing = draw(
        CHARTS["new"],
        rows("day slot app_id number", (day(1), "calls", "a", 2), (day(1), "calls", "b", 3), (day(3), "other", "a", 1)),
        FOUR_DAYS,
    )
    assert drawing.series == [Series("Calls", [0, 5, 0, 0]), Series("Other", [0, 0, 0, 1])]
    assert drawing.headline == "6"


def test_an_absent_app_id_has_a_name() -> None:
    drawing = draw(CHARTS["rotated"], rows("day slot app_id number", (day(0), "other", "", 1)), FOUR_DAYS)
    assert [one.label for one in drawing.series] == ["Other · no app id"]


def test_a_curve_holds_its_value_until_the_next_age_and_ends_at_its_last() -> None:
    names = "cohort age at_risk ended survival"
    drawing = draw(
        CHARTS["survival"],
        rows(names, (day(0), 1, 4, 2, 0.5), (day(0), 3, 2, 0, 0.5), (day(7), 0, 2, 1, 0.5), (day(7), 2, 1, 1, 0.0)),
        FOUR_DAYS,
    )
    assert drawing.labels == ["0", "1", "2", "3"]
    assert drawing.series == [
        Series("from 2026-11-20", [1.0, 0.5, 0.5, 0.5]),
        Series("from 2026-11-27", [0.5, 0.5, 0.0, None]),
    ]
    assert drawing.headline == "1 days"


def test_no_rows_are_no_series_and_no_figure() -> None:
    for chart in CHARTS.values():
        drawing = draw(chart, rows("day"), FOUR_DAYS)
        assert (drawing.series, drawing.headline) == ([], "–")


HEADLINES = [
    ("active_selectors", "day active_1 active_7 active_30", (day(0), 1, 20, 3000), "3,000"),
    ("stale_ratio", "day slot held stale ratio", (day(0), "calls", 8, 2, 0.25), "25.0%"),
    ("joint_rotation", "day rotated joint single", (day(0), 4, 1, 3), "25.0%"),
    ("removal_vs_silent", "day removed silent silent_share", (day(0), 1, 3, 0.75), "75.0%"),
    ("removal_vs_silent", "day removed silent silent_share", (day(0), 0, 0, None), "–"),
    ("resurrection", "day after_removal after_silence", (day(0), 1, 3), "4"),
    ("missing_slot", "day slot selectors missing ratio", (day(0), "calls", 8, 2, 0.25), "25.0%"),
    ("missing_slot", "day slot selectors missing ratio", (day(0), "calls", 0, 0, None), "–"),
    ("app_migration", "day slot app_id_before app_id number", (day(0), "calls", "a", "b", 7), "7"),
    ("redundancy", "day reports unchanged ratio", (day(0), 4, 3, 0.75), "75.0%"),
    ("reach", "day held reachable share", (day(0), 0, 0, None), "0"),
]


@pytest.mark.parametrize(("name", "names", "row", "headline"), HEADLINES)
def test_headlines(name: str, names: str, row: Sequence[Any], headline: str) -> None:
    assert draw(CHARTS[name], rows(names, row), FOUR_DAYS).headline == headline


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3).map(day),
            st.sampled_from(("calls", "other")),
            st.sampled_from("abcdefgh"),
            st.integers(1, 99),
        ),
        min_size=1,
        unique_by=lambda row: row[:3],
    )
)  # fmt: skip
def test_whatever_is_summed_up_nothing_is_lost(found: list[tuple[date, str, str, int]]) -> None:
    drawing = draw(CHARTS["rotated"], rows("day slot app_id number", *found), FOUR_DAYS)
    assert len(drawing.series) <= MAX_SERIES
    for place in range(4):
        drawn = sum(one.values[place] or 0 for one in drawing.series)
        assert drawn == sum(number for at, _, _, number in found if at == day(place))


def test_of_many_curves_the_newest_are_drawn() -> None:
    found = [(day(7 * n), 0, 2, 1, 0.5) for n in range(9)]
    drawing = draw(CHARTS["survival"], rows("cohort age at_risk ended survival", *found), FOUR_DAYS)
    assert [one.label for one in drawing.series] == [f"from {day(7 * n)}" for n in range(3, 9)]
