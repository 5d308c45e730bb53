"""The dashboard role over HTTP: probes, metrics, refusals, and its end."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from deploy.dashboard.headers import CONTENT_SECURITY_POLICY
from deploy.local.environment import environment
from processors.clickhouse import ClickHouse
from schemas.settings import Settings
from tests.churn_reference import Record
from tests.engines import make_settings
from tests.integration.churn.conftest import insert
from tests.poll import until


@contextmanager
def role(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli.main", "dashboard"], env=environment(settings, os.environ)
    )
    url = f"http://127.0.0.1:{settings.dashboard.port}"
    try:
        with httpx.Client(base_url=url, trust_env=False, timeout=15.0) as client:
            until(lambda: client.get("/healthz").text == "ok", "/healthz", 60.0, bearing=(httpx.HTTPError,))
            yield process, client
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def client(engine: ClickHouse, churn_settings: Settings) -> Iterator[httpx.Client]:
    insert(engine, [Record(selector="a", at=1_790_000_000_000, offset=1, calls_token="t", calls_app_id="com.a")])
    with role(churn_settings) as (_, connected):
        until(lambda: connected.get("/readyz").status_code == 200, "/readyz", 60.0)
        yield connected


def test_figures_as_json(client: httpx.Client) -> None:
    answer = client.get("/api/charts/reach", params={"from": "2026-09-20", "to": "2026-09-22"})
    assert answer.status_code == 200
    assert answer.json()["labels"] == ["2026-09-20", "2026-09-21", "2026-09-22"]
    assert [one["values"] for one in answer.json()["series"]] == [[0, 1, 1], [0, 1, 1]]
    assert answer.json()["as_of"].endswith(" UTC")


def test_figures_as_csv(client: httpx.Client) -> None:
    answer = client.get("/api/charts/new.csv", params={"from": "2026-09-20", "to": "2026-09-22"})
    assert answer.text == "day,slot,app_id,number\r\n2026-09-21,calls,com.a,1\r\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="new_2026-09-20_2026-09-22.csv"'
    assert client.get("/api/pipeline.csv").text.startswith("time,Accepted,Compacted,Written,")


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/charts/nonsense", 404, "There is no such chart."),
        ("/api/charts/reach?from=x", 400, "from must be a day such as 2026-11-24"),
        ("/api/charts/reach.csv?slot=x", 400, "slot must be one of calls, other, or empty for all"),
        ("/?to=x", 400, "to must be a day such as 2026-11-24"),
        ("/nowhere", 404, "Not Found"),
        ("/static/../app.py", 404, "Not Found"),
    ],
)
def test_refusals_say_why(client: httpx.Client, path: str, status: int, detail: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["detail"]) == (status, detail)
    assert answer.headers["content-type"] == "application/problem+json"


def test_only_reading_is_offered(client: httpx.Client) -> None:
    assert client.post("/api/charts/reach").status_code == 405


def test_every_answer_has_the_policy(client: httpx.Client) -> None:
    for path in ("/", "/static/dashboard.js", "/api/charts/reach", "/nowhere", "/metrics"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["cache-control"] == "no-store"
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403


def test_metrics_tell_query_times_and_the_roll_ups_age(client: httpx.Client) -> None:
    client.get("/api/charts/reach")
    text = client.get("/metrics").text
    assert 'pushtokens_dashboard_query_seconds_count{metric="reach"}' in text
    age = next(line for line in text.splitlines() if line.startswith("pushtokens_dashboard_rollup_age_seconds "))
    assert float(age.split()[1]) >= 0


ROLES = b"""\
pushtokens_ingest_requests_total{outcome="accepted"} 5.0
pushtokens_compactor_records_total{disposition="changed"} 4.0
pushtokens_compactor_lag_records 1.0
pushtokens_sink_rows_total 3.0
pushtokens_sink_lag_records 2.0
"""


class Metrics(BaseHTTPRequestHandler):
    """A role's /metrics."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 404)
        self.send_header("content-length", str(len(ROLES)))
        self.end_headers()
        self.wfile.write(ROLES)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_pipelines_health_is_read_from_the_roles(clickhouse: str, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        places = {"ingest_urls": url, "compact_urls": url, "sink_urls": f"{url},{url}/"}
        try:
            with role(make_settings(tmp_path, "127.0.0.1:1", clickhouse, dashboard=places)) as (_, client):
                found = until(
                    lambda: (answer := client.get("/api/pipeline").json())["pipeline_lag"]["labels"] and answer,
                    "a sample",
                    30.0,
                )
        finally:
            server.shutdown()
            thread.join(10)
    assert found["pipeline_lag"]["headline"] == "5"
    assert found["pipeline_lag"]["note"] == "records wait now: compactor 1, sink 4"
    assert [one["label"] for one in found["pipeline_rate"]["series"]] == ["Accepted", "Compacted", "Written"]


def test_clickhouse_away_is_503_and_the_role_lives_on(tmp_path: Path) -> None:
    with role(make_settings(tmp_path, "127.0.0.1:1", "http://127.0.0.1:1")) as (process, client):
        assert client.get("/readyz").status_code == 503
        assert client.get("/").status_code == 200
        answer = client.get("/api/charts/reach")
        assert answer.status_code == 503 and "retry-after" in answer.headers
        assert client.get("/api/charts/reach.csv").status_code == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0(churn_settings: Settings, tmp_path: Path, number: signal.Signals) -> None:
    own = make_settings(tmp_path, "127.0.0.1:1", churn_settings.clickhouse_url)
    with role(own) as (process, _):
        process.send_signal(number)
        assert process.wait(15) == 0


def test_a_taken_port_is_said(client: httpx.Client, churn_settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "dashboard"],
        env=environment(churn_settings, os.environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "PUSHTOKENS_DASHBOARD_PORT" in done.stderr and "Traceback" not in done.stderr
