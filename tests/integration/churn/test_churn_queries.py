"""Every churn metric against the plain reference, on random histories, in the real engine."""

import os
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from benchmarks.churn_history.made import make_history
from deploy.grafana.dashboard import DATABASE, panel_sql
from processors.churn.figures import figures
from processors.churn.filters import Filters
from processors.churn.metrics import METRICS
from processors.churn.rollup import rebuild
from processors.clickhouse import ClickHouse
from schemas.settings import Settings
from tests.churn_reference import Record, Reference, same
from tests.integration.churn.conftest import empty, insert
from tests.unit.test_house import ROOT

FIRST = date(2026, 1, 7)  # a Wednesday: weeks begin before it
FIRST_MS = int(datetime(2026, 1, 7, tzinfo=UTC).timestamp()) * 1000
DAY_MS = 86_400_000
# Around every border that a definition has: minutes (joint), 24 h (flapping), 7, 30 and 270 days.
GAPS_MS = (
    0, 1, 599_999, 600_000, 600_001, 3_600_000, DAY_MS - 1, DAY_MS, DAY_MS + 1, 6 * DAY_MS, 7 * DAY_MS,
    29 * DAY_MS, 30 * DAY_MS, 31 * DAY_MS, 269 * DAY_MS, 270 * DAY_MS, 271 * DAY_MS,
)  # fmt: skip
APPS = ("", "app", "app.pushkit", "new")
SOAK = bool(os.environ.get("SOAK"))
EXAMPLES = 60 if SOAK else 8
# Making a failure smaller takes minutes at a second an example; the short form names metric and row instead.
PHASES = tuple(Phase) if SOAK else (Phase.explicit, Phase.reuse, Phase.generate)


@st.composite
def history(draw: st.DrawFn, selector: str) -> list[Record]:
    """One selector's records, mostly of the kind real apps send, in any order of their times."""
    own = draw(st.sampled_from(("iPhone", "Android 14", "", "")))
    apps = draw(st.sampled_from((("app.pushkit", "app"), ("app", "app"), ("app", "new"))))
    at = FIRST_MS + draw(st.integers(0, 40)) * DAY_MS + draw(st.integers(0, DAY_MS - 1))
    found = []
    for offset in range(draw(st.integers(1, 9))):
        at += draw(st.sampled_from(GAPS_MS))
        removal = draw(st.integers(0, 7)) == 0
        tokens = ("", "", "a", "b") if removal else ("", "a", "a", "a", "b", "c", f"{selector}-own")
        record = Record(
            selector=selector,
            at=max(0, at - draw(st.sampled_from((0, 0, 0, 0, 0, 2 * DAY_MS)))),  # some are late
            offset=offset,
            kind="removal" if removal else draw(st.sampled_from(("report",) * 12 + ("other",))),
            origin=draw(st.sampled_from(("app",) * 9 + ("import",))),
            calls_token=draw(st.sampled_from(tokens)),
            calls_app_id=draw(st.sampled_from((apps[0],) * 5 + APPS)),
            other_token=draw(st.sampled_from(tokens)),
            other_app_id=draw(st.sampled_from((apps[1],) * 5 + APPS)),
            install_id=draw(st.sampled_from(("", "i1", "i1", "i2"))),
            username=draw(st.sampled_from(("u", "u", "u", "", "v"))),
            user_agent=own,
        )
        found.append(record)
    return found


@st.composite
def world(draw: st.DrawFn) -> list[Record]:
    """Many selectors at once: one round of queries checks them all, and tokens wander between them."""
    number = draw(st.integers(1, 25))
    return [record for n in range(number) for record in draw(history(f"s{n}"))]


filters = st.builds(
    lambda start, days, slot, app_id, platform, weeks: Filters(
        from_day=FIRST + timedelta(days=start),
        to_day=FIRST + timedelta(days=start + days),
        slot=slot,
        app_id=app_id,
        platform=platform,
        weeks=weeks,
    ),
    st.one_of(st.integers(-10, 60), st.integers(-10, 330)),
    st.sampled_from((0, 6, 45, 100)),
    st.sampled_from(("", "calls", "other")),
    st.sampled_from(("", "", "app", "app.pushkit", "new")),
    st.sampled_from(("", "", "ios", "android", "unknown")),
    st.sampled_from((0, 1, 4)),
)
WHOLE = Filters(from_day=FIRST - timedelta(days=3), to_day=FIRST + timedelta(days=420))


def load(engine: ClickHouse, records: list[Record]) -> None:
    """Put these rows, and no others, into the history, and roll them up."""
    empty(engine)
    insert(engine, records)
    rebuild(engine)


def differences(engine: ClickHouse, reference: Reference, chosen: Filters) -> list[str]:
    found = []
    for name in METRICS:
        ours = [tuple(r) for r in figures(engine, name, chosen).rows]
        theirs = reference.rows(name, chosen)
        if len(ours) != len(theirs) or not all(map(same, ours, theirs)):
            wrong = next((p for p in zip(ours, theirs, strict=False) if not same(*p)), (len(ours), len(theirs)))
            found.append(f"{name} {chosen}: query {wrong[0]}, reference {wrong[1]}")
    return found


@settings(
    max_examples=EXAMPLES,
    phases=PHASES,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(records=world(), some=st.lists(filters, min_size=4, max_size=4))
def test_every_metric_equals_the_reference(engine: ClickHouse, records: list[Record], some: list[Filters]) -> None:
    load(engine, records)
    reference = Reference(records)
    wrong = [line for chosen in (WHOLE, *some) for line in differences(engine, reference, chosen)]
    note(f"{len(records)} records")
    assert wrong == []


def test_every_query_file_is_a_metric_and_every_metric_has_a_file() -> None:
    folder = ROOT / "schemas" / "clickhouse" / "queries"
    assert {path.stem for path in folder.glob("*.sql")} == set(METRICS)


def token_history(slot: str, *seen: tuple[int, str]) -> list[Record]:
    """One selector that reported these tokens at these times (ms after `FIRST`); an empty token is a removal."""
    return [
        Record(
            selector=f"s{slot}{seen}",
            at=FIRST_MS + at,
            offset=n,
            kind="report" if token else "removal",
            calls_token=token if slot == "calls" else "",
            other_token=token if slot == "other" else "",
        )
        for n, (at, token) in enumerate(seen)
    ]


def both(*seen: tuple[int, str, str]) -> list[Record]:
    """One selector with tokens in both slots, on an Android phone if they are the same."""
    return [
        Record(selector=f"both{seen}", at=FIRST_MS + at, offset=n, calls_token=calls, other_token=other)
        for n, (at, calls, other) in enumerate(seen)
    ]


MINUTE_MS = 60_000
BORDERS = [
    # metric, its column, histories, and how many it counts in all days
    ("flapping", "number", token_history("calls", (0, "a"), (5, "b"), (5 + DAY_MS, "a")), 1),
    ("flapping", "number", token_history("calls", (0, "a"), (5, "b"), (6 + DAY_MS, "a")), 0),
    ("flapping", "number", token_history("other", (0, "a"), (5, "b"), (6, "c"), (7, "a")), 0),
    ("flapping", "number", token_history("other", (0, "a"), (5, "b"), (6, "b"), (7, "a"), (8, "b")), 2),
    ("flapping", "number", token_history("calls", (0, "a"), (5, "b"), (6, ""), (7, "b"), (8, "a")), 0),
    ("joint_rotation", "joint", both((0, "a", "b"), (5, "c", "b"), (5 + 10 * MINUTE_MS, "c", "d")), 2),
    ("joint_rotation", "joint", both((0, "a", "b"), (5, "c", "b"), (6 + 10 * MINUTE_MS, "c", "d")), 0),
    ("joint_rotation", "joint", both((0, "a", "b"), (5, "c", "d")), 2),
    ("removal_vs_silent", "silent", token_history("calls", (0, "a"), (30 * DAY_MS, "a"), (45 * DAY_MS, "")), 0),
    ("removal_vs_silent", "silent", token_history("calls", (0, "a"), (31 * DAY_MS, "a"), (45 * DAY_MS, "")), 1),
    ("removal_vs_silent", "silent", both((0, "a", "a"), (270 * DAY_MS, "a", "a")), 0),
    ("removal_vs_silent", "silent", both((0, "a", "a"), (271 * DAY_MS, "a", "a")), 2),
    ("removal_vs_silent", "removed", token_history("calls", (0, "a"), (1, ""), (2, "")), 1),
    ("resurrection", "after_silence", token_history("calls", (0, "a"), (30 * DAY_MS, "a")), 0),
    ("resurrection", "after_silence", token_history("calls", (0, "a"), (31 * DAY_MS, "b")), 1),
    ("resurrection", "after_removal", token_history("calls", (0, "a"), (1, ""), (2, "a")), 1),
    ("resurrection", "after_removal", token_history("calls", (0, ""), (1, "a")), 0),
    ("new", "number", token_history("calls", (0, ""), (1, "a"), (2, ""), (3, "b")), 1),
    ("active_selectors", "active_7", token_history("calls", (0, "a")), 7),
    ("active_selectors", "active_30", token_history("calls", (0, "a"), (2 * DAY_MS, "a")), 32),
    ("reach", "reachable", token_history("calls", (0, "a")), 30),
    ("reach", "reachable", token_history("calls", (0, "a"), (3 * DAY_MS, "")), 3),
    ("reach", "reachable", both((0, "a", "a")), 270),
    ("token_handover", "shared", token_history("calls", (0, "a"), (9, "a")) + token_history("calls", (9, "a")), 1),
    ("token_handover", "shared", token_history("calls", (0, "a"), (9, "a")) + token_history("calls", (10, "a")), 0),
    (
        "token_handover",
        "handed_over",
        token_history("calls", (0, "a"), (9, "a")) + token_history("calls", (10, "a")),
        1,
    ),
    ("token_sharing", "tokens", token_history("calls", (0, "a")) + token_history("calls", (1, "a")), 1),
    ("redundancy", "unchanged", token_history("calls", (0, "a"), (1, "a"), (2, "b"), (3, "b")), 2),
]


@pytest.fixture(scope="module")
def bordering(engine: ClickHouse) -> ClickHouse:
    """All of them in one history; each under a platform-free app id of its own, by which it is told from the others."""
    records = [
        msgspec.structs.replace(
            record,
            selector=f"{n}-{record.selector}",
            calls_token=record.calls_token and f"{n}-{record.calls_token}",
            other_token=record.other_token and f"{n}-{record.other_token}",
            calls_app_id=f"case{n}",
            other_app_id=f"case{n}",
        )
        for n, (_, _, found, _) in enumerate(BORDERS)
        for record in found
    ]
    load(engine, records)
    return engine


@pytest.mark.parametrize("number", range(len(BORDERS)))
def test_the_borders_of_the_definitions(bordering: ClickHouse, number: int) -> None:
    """Written out by hand: what the random histories rarely hit, and what binds the reference itself."""
    name, column, _, expected = BORDERS[number]
    chosen = msgspec.structs.replace(WHOLE, app_id=f"case{number}")
    assert sum(row[column] or 0 for row in figures(bordering, name, chosen).dicts()) == expected


def as_records(engine: ClickHouse) -> list[Record]:
    """What `reports` holds, for the reference."""
    columns = (
        "selector, toUnixTimestamp64Milli(received_at) AS at, kafka_offset AS offset, kind, origin, calls_token, "
        "calls_app_id, other_token, other_app_id, install_id, username, user_agent"
    )
    return [Record(**found) for found in engine.query(f"SELECT {columns} FROM reports").dicts()]


def test_the_benchmarks_history_equals_the_reference(engine: ClickHouse) -> None:
    """The fleet that the benchmark and the browser tests look at, small: every query gives what the reference gives."""
    empty(engine)
    last = FIRST + timedelta(days=399)
    make_history(engine, selectors=150, reports=12, days=400, last=last, seed=7)
    rebuild(engine)
    reference = Reference(as_records(engine))
    default = Filters(from_day=last - timedelta(days=89), to_day=last)
    whole = Filters(from_day=FIRST, to_day=last, weeks=1)
    narrowed = msgspec.structs.replace(default, slot="other", platform="ios")
    assert [line for chosen in (default, whole, narrowed) for line in differences(engine, reference, chosen)] == []


GRAFANAS = {"$__fromTime": "{from:Date}", "$__toTime": "{to:Date}", "$weeks": "{weeks:UInt16}"} | {
    f"${{{name}:sqlstring}}": f"{{{name}:String}}" for name in ("slot", "app_id", "platform")
}


@pytest.mark.parametrize("name", METRICS)
def test_grafanas_form_of_a_query_gives_the_same(bordering: ClickHouse, churn_settings: Settings, name: str) -> None:
    text = panel_sql(name).replace(f"{DATABASE}.", f"{churn_settings.clickhouse.database}.")
    for theirs, value in GRAFANAS.items():
        text = text.replace(theirs, value)
    assert bordering.query(text, WHOLE.parameters()).rows == figures(bordering, name, WHOLE).rows
