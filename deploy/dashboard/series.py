"""Turns the rows of a metric into what a chart draws: labels, series and one headline figure. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from msgspec import Struct

from deploy.dashboard.charts import Chart
from processors.churn.filters import Filters
from processors.clickhouse import Rows

MAX_SERIES: Final = 6  # as many as a reader tells apart, and as the page has colours; the rest is summed
_SLOTS: Final = {"calls": "Calls", "other": "Other"}

Value = float | int | None
_Row = Mapping[str, Any]


class Series(Struct, frozen=True):
    """One line or one colour of bars: its name, and a value for each label (None: nothing to draw)."""

    label: str
    values: list[Value]


class Drawing(Struct, frozen=True):
    """What the page draws: x labels, series, and the headline: a figure and what it says."""

    labels: list[str]
    series: list[Series]
    headline: str
    note: str


def draw(chart: Chart, rows: Rows, filters: Filters) -> Drawing:
    """The drawing of `rows`, the answer of `chart.metric` for `filters`."""
    found = rows.dicts()
    labels, series = _curves(chart, found) if chart.x == "age" else _days(chart, found, filters)
    headline, note = _HEADLINES[chart.name](found) if found else ("–", "nothing in these days")
    return Drawing(labels, _fewer(series), headline, note)


def _days(chart: Chart, rows: Sequence[_Row], filters: Filters) -> tuple[list[str], list[Series]]:
    number = (filters.to_day - filters.from_day).days + 1
    places = {filters.from_day + timedelta(days=n): n for n in range(number)}
    missing: Value = 0 if chart.kind == "bars" else None
    values: dict[str, list[Value]] = defaultdict(lambda: [missing] * number)
    for row in rows:
        for column, label in chart.figures.items():
            line, place = values[label or _label(chart, row)], places[row["day"]]
            line[place] = row[column] if chart.kind == "line" else (line[place] or 0) + row[column]
    return [day.isoformat() for day in places], [Series(label, found) for label, found in values.items()]


def _curves(chart: Chart, rows: Sequence[_Row]) -> tuple[list[str], list[Series]]:
    """Step curves over whole days: each holds its value up to the next age, and ends at its last one."""
    (column,) = chart.figures
    last = max((row["age"] for row in rows), default=-1)
    values: dict[str, list[Value]] = defaultdict(lambda: [None] * (last + 1))
    before: dict[str, tuple[int, Value]] = {}
    for row in rows:
        label = _label(chart, row)
        age, value = before.get(label, (0, 1.0))
        values[label][age : row["age"]] = [value] * (row["age"] - age)
        values[label][row["age"]] = row[column]
        before[label] = (row["age"], row[column])
    return [str(age) for age in range(last + 1)], [Series(label, found) for label, found in values.items()]


def _label(chart: Chart, row: _Row) -> str:
    if "app_id_before" in chart.by:
        return f"{_SLOTS[row['slot']]}: {row['app_id_before']} → {row['app_id']}"
    parts: list[str] = []
    for column in chart.by:
        value = row[column]
        if column == "slot":
            parts.append(_SLOTS[value])
        elif column == "cohort":
            parts.append(f"from {value}")
        else:
            parts.append(value or "no app id")
    return " · ".join(parts)


def _fewer(series: list[Series]) -> list[Series]:
    """Curves: the newest. Bars: the largest, the rest in one."""
    if len(series) <= MAX_SERIES:
        return series
    if any(value is None or isinstance(value, float) for one in series for value in one.values):
        return series[-MAX_SERIES:]
    ranked = sorted(series, key=lambda one: -sum(value or 0 for value in one.values))
    kept, rest = ranked[: MAX_SERIES - 1], ranked[MAX_SERIES - 1 :]
    summed: list[Value] = [
        sum(value or 0 for value in values) for values in zip(*(r.values for r in rest), strict=True)
    ]
    return [*kept, Series(f"{len(rest)} others", summed)]


def _share(part: float | None, whole: float = 1.0) -> str:
    return "–" if part is None or not whole else f"{part / whole:.1%}"


def _reach(rows: Sequence[_Row]) -> tuple[str, str]:
    last = rows[-1]
    return f"{last['reachable']:,}", f"of {last['held']:,} with a token ({_share(last['share'])}) on {last['day']}"


def _active(rows: Sequence[_Row]) -> tuple[str, str]:
    return f"{rows[-1]['active_30']:,}", f"in the 30 days up to {rows[-1]['day']}"


def _stale(rows: Sequence[_Row]) -> tuple[str, str]:
    last = [row for row in rows if row["day"] == rows[-1]["day"]]
    stale, held = sum(row["stale"] for row in last), sum(row["held"] for row in last)
    return _share(stale, held), f"{stale:,} of {held:,} tokens on {rows[-1]['day']}"


def _new(rows: Sequence[_Row]) -> tuple[str, str]:
    return f"{sum(row['number'] for row in rows):,}", "slots got their first token in these days"


def _rotated(rows: Sequence[_Row]) -> tuple[str, str]:
    return f"{sum(row['number'] for row in rows):,}", "rotations in these days"


def _joint(rows: Sequence[_Row]) -> tuple[str, str]:
    joint, rotated = sum(row["joint"] for row in rows), sum(row["rotated"] for row in rows)
    return _share(joint, rotated), f"of {rotated:,} rotations were of both slots at once"


def _survival(rows: Sequence[_Row]) -> tuple[str, str]:
    by_cohort: dict[date, list[_Row]] = defaultdict(list)
    for row in rows:
        by_cohort[row["cohort"]].append(row)
    cohort = min(by_cohort)
    half = next((row["age"] for row in by_cohort[cohort] if row["survival"] <= 0.5), None)
    if half is None:
        last = by_cohort[cohort][-1]
        return _share(last["survival"]), f"of the tokens from {cohort} on outlive {last['age']} days"
    return f"{half} days", f"half of the tokens from {cohort} on are gone by then"


def _silent(rows: Sequence[_Row]) -> tuple[str, str]:
    removed, silent = sum(row["removed"] for row in rows), sum(row["silent"] for row in rows)
    return _share(silent, removed + silent), f"of {removed + silent:,} lost tokens went without a word"


def _back(rows: Sequence[_Row]) -> tuple[str, str]:
    removal, silence = sum(row["after_removal"] for row in rows), sum(row["after_silence"] for row in rows)
    return f"{removal + silence:,}", f"came back: {removal:,} after a removal, {silence:,} after a silence"


def _missing(rows: Sequence[_Row]) -> tuple[str, str]:
    worst = max((row for row in rows if row["day"] == rows[-1]["day"]), key=lambda row: row["ratio"] or 0)
    name = _SLOTS[worst["slot"]].lower()
    return _share(worst["ratio"]), f"of {worst['selectors']:,} selectors have no {name} token on {worst['day']}"


def _moved(rows: Sequence[_Row]) -> tuple[str, str]:
    return f"{sum(row['number'] for row in rows):,}", "slots moved to another app id in these days"


def _redundant(rows: Sequence[_Row]) -> tuple[str, str]:
    unchanged, reports = sum(row["unchanged"] for row in rows), sum(row["reports"] for row in rows)
    return _share(unchanged, reports), f"of {reports:,} reports told nothing new"


_HEADLINES: Final[dict[str, Callable[[Sequence[_Row]], tuple[str, str]]]] = {
    "reach": _reach,
    "new": _new,
    "active_selectors": _active,
    "stale_ratio": _stale,
    "rotated": _rotated,
    "joint_rotation": _joint,
    "survival": _survival,
    "removal_vs_silent": _silent,
    "resurrection": _back,
    "missing_slot": _missing,
    "app_migration": _moved,
    "redundancy": _redundant,
}
