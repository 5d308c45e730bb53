"""Every churn metric against the plain reference, on random histories, in the real engine."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from processors.churn.figures import figures
from processors.churn.filters import Filters
from processors.churn.metrics import METRICS
from processors.churn.rollup import rebuild
from processors.clickhouse import ClickHouse
from processors.migrations import migrate
from tests.churn_reference import Record, Reference, same
from tests.engines import make_settings

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
# Making a failure smaller takes minutes at a second an example: the long form does it, the short one names metric and row.
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
    st.integers(-10, 330),
    st.sampled_from((0, 6, 45, 100)),
    st.sampled_from(("", "calls", "other")),
    st.sampled_from(("", "", "app", "app.pushkit", "new")),
    st.sampled_from(("", "", "ios", "android", "unknown")),
    st.sampled_from((0, 1, 4)),
)
WHOLE = Filters(from_day=FIRST - timedelta(days=3), to_day=FIRST + timedelta(days=420))


@pytest.fixture(scope="module")
def engine(clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    chosen = make_settings(tmp_path_factory.mktemp("churn"), "127.0.0.1:1", clickhouse)
    migrate(chosen)
    with ClickHouse(chosen) as connected:
        yield connected


def load(engine: ClickHouse, records: list[Record]) -> None:
    """Put these rows, and no others, into the history, and roll them up."""
    engine.command("TRUNCATE TABLE reports")
    engine.command("TRUNCATE TABLE token_lifetimes_rollup")
    engine.insert_raw("reports", "\n".join(json.dumps(row(record)) for record in records).encode())
    rebuild(engine)


def row(record: Record) -> dict[str, object]:
    at = datetime.fromtimestamp(record.at // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") + f".{record.at % 1000:03d}"
    return {
        "received_at": at,
        "appended_at": at,
        "kind": record.kind,
        "origin": record.origin,
        "selector": record.selector,
        "username": record.username,
        "calls_token": record.calls_token,
        "calls_app_id": record.calls_app_id,
        "other_token": record.other_token,
        "other_app_id": record.other_app_id,
        "install_id": record.install_id,
        "user_agent": record.user_agent,
        "log_id": "log",
        "kafka_partition": 0,
        "kafka_offset": record.offset,
        "id": f"{record.selector}-{record.offset}",
    }


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
@given(records=world(), some=st.lists(filters, min_size=2, max_size=2))
def test_every_metric_equals_the_reference(engine: ClickHouse, records: list[Record], some: list[Filters]) -> None:
    load(engine, records)
    reference = Reference(records)
    wrong = [line for chosen in (WHOLE, *some) for line in differences(engine, reference, chosen)]
    note(f"{len(records)} records")
    assert wrong == []


def test_every_query_file_is_a_metric_and_every_metric_has_a_file() -> None:
    folder = Path(__file__).parent.parent.parent / "schemas" / "clickhouse" / "queries"
    assert {path.stem for path in folder.glob("*.sql")} == set(METRICS)
