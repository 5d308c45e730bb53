"""The pipeline's own health, from what the roles' /metrics say."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deploy.dashboard import role
from deploy.dashboard.addresses import AddressError, addresses
from deploy.dashboard.pipeline import Pipeline, Sample, total
from schemas.settings import Dashboard, Settings

TEXT = """\
# HELP pushtokens_ingest_requests_total Requests
# TYPE pushtokens_ingest_requests_total counter
pushtokens_ingest_requests_total{outcome="accepted",worker="1"} 3.0
pushtokens_ingest_requests_total{outcome="accepted",worker="2"} 4.0
pushtokens_ingest_requests_total{outcome="refused",worker="1"} 9.0
# TYPE pushtokens_sink_lag_records gauge
pushtokens_sink_lag_records{partition="0"} 5.0
pushtokens_sink_lag_records{partition="1"} 0.0
"""


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("pushtokens_ingest_requests_total", {"outcome": "accepted"}, 7.0),
        ("pushtokens_ingest_requests_total", {}, 16.0),
        ("pushtokens_sink_lag_records", {}, 5.0),
        ("pushtokens_sink_rows_total", {}, None),
    ],
)
def test_samples_with_the_labels_are_summed(name: str, labels: dict[str, str], expected: float | None) -> None:
    assert total(TEXT, name, labels) == expected


def test_what_is_no_metrics_text_is_an_error() -> None:
    with pytest.raises(ValueError):
        total('<html lang="en">', "x")


def sample(second: float, totals: dict[str, float], lags: dict[str, float] | None = None) -> Sample:
    return Sample(datetime(2026, 11, 24, tzinfo=UTC) + timedelta(seconds=second), second, totals, lags or {})


def test_rates_are_differences_and_survive_a_restart_and_a_silence() -> None:
    pipeline = Pipeline(Settings())
    for second, accepted in ((0, 100.0), (5, 150.0), (10, 20.0), (15, None), (20, 40.0), (25, 40.0)):
        pipeline.add(sample(second, {} if accepted is None else {"ingest": accepted}))
    drawing = pipeline.drawings()["pipeline_rate"]
    assert drawing.series[0].label == "Accepted"
    assert drawing.series[0].values == [None, 10.0, 4.0, None, None, 0.0]
    assert drawing.labels[1] == "00:00:05"
    assert drawing.note == "no answer from: compactor, sink"


def test_the_headlines_are_of_now() -> None:
    pipeline = Pipeline(Settings())
    everyone = {"ingest": 0.0, "compact": 0.0, "sink": 0.0}
    pipeline.add(sample(0, everyone, {"compact": 1.0, "sink": 2.0}))
    pipeline.add(sample(2, {**everyone, "ingest": 5.0}, {"compact": 1000.0, "sink": 234.0}))
    drawings = pipeline.drawings()
    assert drawings["pipeline_rate"].headline == "2.5"
    assert drawings["pipeline_lag"].headline == "1,234"
    assert drawings["pipeline_lag"].note == "records wait now: compactor 1,000, sink 234"


def test_nothing_known_is_said_and_an_hour_is_kept() -> None:
    pipeline = Pipeline(Settings())
    assert pipeline.drawings()["pipeline_rate"].note == "no sample yet"
    for second in range(0, 5 * 1000, 5):
        pipeline.add(sample(second, {}))
    assert len(pipeline.drawings()["pipeline_lag"].labels) == 720


def test_where_the_roles_are() -> None:
    assert addresses(Settings()) == {
        "ingest": ("http://127.0.0.1:8080",),
        "compact": ("http://127.0.0.1:6066",),
        "sink": ("http://127.0.0.1:8090",),
    }
    elsewhere = Settings(dashboard=Dashboard(sink_urls="http://a:1, https://b:2/,http://c/behind/a/proxy"))
    assert addresses(elsewhere)["sink"] == ("http://a:1", "https://b:2", "http://c/behind/a/proxy")


@pytest.mark.parametrize(
    ("urls", "wrong"),
    [
        ("secret.host:8443", "it does not begin with http:// or https://"),
        ("http://a:1,ftp://secret", "address 2 of 2 does not begin with http:// or https://"),
        ("http://", "it has no host, or port 0"),
        ("https://secret:port", "it has a port or host that is none"),
        ("https://secret:99999", "it has a port or host that is none"),
        ("http://[::1", "it has a port or host that is none"),
        ("http://secret.ü\u200d/", "it has a port or host that is none"),
        ("https://user:secret@h:1/metrics", "it has more than that (/metrics is put behind it)"),
        ("http://a:1 http://b:2", "it has a port or host that is none"),
    ],
)
def test_addresses_that_are_none(
    urls: str, wrong: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is said by the setting's name and without its value, which may hold a password; exit code 2."""
    settings = Settings(dashboard=Dashboard(ingest_urls=urls))
    with pytest.raises(AddressError) as caught:
        addresses(settings)
    said = f"dashboard.ingest_urls: {wrong}; wanted: http://HOST:PORT or https://HOST:PORT, several with commas"
    assert str(caught.value) == said
    monkeypatch.setattr(role, "set_up", lambda *_: None)
    assert role.run(settings) == 2
    assert said in caplog.text and "secret" not in caplog.text


async def test_what_keeps_metrics_away_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[httpx.Response | Exception] = [httpx.ConnectError("certificate has expired")] * 3
    answers += [httpx.Response(200, text=TEXT), *[httpx.Response(403)] * 3, *[httpx.ReadTimeout("")] * 2]
    answers += [httpx.Response(200, text="<html>")] * 2

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    pipeline = Pipeline(Settings(dashboard=Dashboard(ingest_urls="https://user:secret@h:1")))
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        while answers:
            await pipeline._texts(client, "ingest")
    whose = "(dashboard.ingest_urls says where they are)"
    assert [record.getMessage() for record in caplog.records if record.name == "deploy.dashboard.pipeline"] == [
        f"no metrics from the ingress: certificate has expired {whose}",
        f"no metrics from the ingress: status 403 {whose}",
        f"no metrics from the ingress: ReadTimeout {whose}",
        f"no metrics from the ingress: what answers is not a role's metrics {whose}",
    ]
    assert "secret" not in caplog.text
