"""The thread that keeps the roll-ups up to date: outages are said once, and it goes on."""

import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.dashboard import refresher as module
from deploy.dashboard.refresher import Refresher
from processors.churn.rollup import Build
from processors.clickhouse import AwayError
from schemas.settings import Dashboard, Settings
from tests.poll import until

BUILD = Build(built_at=datetime.now(UTC), history_rows=1, newest=datetime.now(UTC), seconds=0.1)


class Nothing:
    """Stands where the ClickHouse client would; it is only opened and closed."""

    def __init__(self, settings: Settings, timeout: float) -> None:
        assert timeout == settings.dashboard.rebuild_timeout

    def __enter__(self) -> "Nothing":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_an_outage_is_said_once_and_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    answers: list[Build | None] = [None, None, None, BUILD, None, BUILD]
    asked = threading.Semaphore(0)

    def refresh(_: Any) -> Build:
        asked.release()
        answer = answers.pop(0) if answers else BUILD
        if answer is None:
            raise AwayError("ClickHouse is away (ConnectionRefusedError)")
        return answer

    monkeypatch.setattr(module, "refresh", refresh)
    monkeypatch.setattr(module, "FIRST_SECONDS", 0.01)
    settings = Settings(data_dir=str(tmp_path), dashboard=Dashboard(refresh_seconds=0.01))
    started = Refresher(settings, Nothing)  # type: ignore[arg-type]
    assert (started.build, started.age()) == (None, None)
    started.start()
    for _ in range(8):
        assert asked.acquire(timeout=10)
    started.stop()
    until(lambda: not any(thread.name == "refresher" for thread in threading.enumerate()), "its end", 10)
    assert started.build == BUILD and started.failures == 4
    age = started.age()
    assert age is not None and age >= 0
    said = [record.getMessage() for record in caplog.records]
    assert sum("cannot be computed" in text for text in said) == 2
    assert sum("computed again" in text for text in said) == 2
