"""The status line's figures from the roles' metrics, and what `up` announces."""

from pathlib import Path

import pytest

from deploy.local.announce import announcement
from deploy.local.probe import parse, reachable
from deploy.local.status import Counter, Figures, Meter, status_line, total
from schemas.secret import Secret
from schemas.settings import ClickHouse, Ingest, Kafka, Lookup, Settings, Template

INGEST = """\
# HELP pushtokens_ingest_requests_total Requests.
# TYPE pushtokens_ingest_requests_total counter
pushtokens_ingest_requests_total{outcome="accepted",worker="1"} 40.0
pushtokens_ingest_requests_total{outcome="accepted",worker="2"} 2.0
pushtokens_ingest_requests_total{outcome="refused",worker="1"} 7.0
"""
COMPACT = "pushtokens_compactor_records_total 41\npushtokens_compactor_lag_records 1\n"
SINK = "pushtokens_sink_rows_total 30\npushtokens_sink_lag_records 12\n"


def test_workers_are_added_up_and_other_outcomes_left_out() -> None:
    samples = parse(INGEST)
    assert total(samples, ("pushtokens_ingest_requests_total", {"outcome": "accepted"})) == 42
    assert total(samples, ("pushtokens_ingest_requests_total", {})) == 49
    assert total(samples, ("nothing_total", {})) is None


@pytest.mark.parametrize("text", ["<html>", "metric{", "a b c d e", "\0"])
def test_what_is_no_exposition_gives_no_samples(text: str) -> None:
    assert parse(text) == []


def test_a_counter_goes_on_over_its_roles_restarts() -> None:
    counter = Counter()
    assert [counter.read(value) for value in (10, 30, None, 0, 5, None, 7)] == [10, 30, 30, 30, 35, 35, 37]


def test_figures_from_all_three_roles() -> None:
    meter = Meter()
    meter.read({"ingest": parse(INGEST)}, 100.0, ())
    later = parse(INGEST.replace("40.0", "140.0"))
    figures = meter.read({"ingest": later, "compact": parse(COMPACT), "sink": parse(SINK)}, 102.0, ())
    assert figures == Figures(accepted=142, rate=50.0, compacted=41, compact_lag=1, sunk=30, sink_lag=12)
    assert status_line(figures) == "in 142 (50/s) | compacted 41, lag 1 | sunk 30, lag 12 | all well"


def test_silent_roles_have_an_unknown_lag_and_troubles_are_named() -> None:
    figures = Meter().read({}, 1.0, ("kafka is down", "sink is not ready"))
    expected = "in 0 (0/s) | compacted 0, lag ? | sunk 0, lag ? | kafka is down, sink is not ready"
    assert status_line(figures) == expected


@pytest.mark.parametrize(
    ("host", "address"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.1.2.3", "10.1.2.3"), ("", "127.0.0.1")]
)
def test_where_a_bound_server_is_reached(host: str, address: str) -> None:
    assert reachable(host) == address


def test_the_announcement_names_every_place_and_a_report_to_try() -> None:
    text = announcement(Settings(ingest=Ingest(port=18080)), Path("/data"), 7.4)
    for part in (
        "Ready in 7 s",
        "http://127.0.0.1:18080/token/?username=johndow&selector=",
        "http://127.0.0.1:6066/v1/selectors/12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14",
        "http://127.0.0.1:8088/",
        "127.0.0.1:9092 (embedded, data stays in /data)",
    ):
        assert part in text


def test_the_announcement_holds_no_credential() -> None:
    settings = Settings(
        kafka=Kafka(bootstrap="kafka:9092", sasl_password=Secret("kafka-secret")),
        clickhouse=ClickHouse(url="http://clickhouse:8123", password=Secret("click-secret")),
        lookup=Lookup(host="::", api_key=Secret("lookup-secret")),
    )
    text = announcement(settings, Path("/data"), 1)
    assert "secret" not in text
    assert "kafka:9092 (yours)" in text
    assert "http://[::1]:6066" in text
    assert "YOUR_KEY" in text


def test_an_operators_own_templates_make_the_built_in_example_wrong() -> None:
    template = Template(name="mine", url="https://h/x/?s=%selector%&t=%pushTokenOther%")
    text = announcement(Settings(templates=(template,)), Path("/data"), 1)
    assert "curl" not in text
    assert "account-xml" in text
