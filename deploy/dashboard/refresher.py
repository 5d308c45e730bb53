"""Keeps the roll-ups up to date while the page is served: one thread, one build at a time."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from processors.churn.rollup import Build, refresh
from processors.clickhouse import AwayError, ClickHouse, RefusedError
from schemas.settings import Settings

log = logging.getLogger(__name__)

FIRST_SECONDS: Final = 1.0  # until there is a build the page has nothing to show, so it looks more often


class Refresher:
    """Looks every `dashboard.refresh_seconds` whether the history has moved, and builds if so.

    A daemon thread: a build under way must not hold up the role's end. Nothing is lost by that: the roll-ups are as
    before, and the next builder clears what is left.
    """

    def __init__(self, settings: Settings, make: Callable[..., ClickHouse] = ClickHouse) -> None:
        self._settings = settings
        self._make = make
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refresher", daemon=True)
        self._build: Build | None = None
        self.failures = 0

    @property
    def build(self) -> Build | None:
        """The newest build this process knows of."""
        return self._build

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further build."""
        self._stop.set()

    def _run(self) -> None:
        away = False
        while not self._stop.is_set():
            try:
                with self._make(self._settings, timeout=self._settings.dashboard.rebuild_timeout) as clickhouse:
                    self._build = refresh(clickhouse)
                if away:
                    log.info("the roll-ups are computed again")
                away = False
            except (AwayError, RefusedError) as error:
                self.failures += 1
                if not away:  # said once; it goes on trying
                    log.warning("the roll-ups cannot be computed: %s", error)
                away = True
            self._stop.wait(self._settings.dashboard.refresh_seconds if self._build else FIRST_SECONDS)

    def age(self) -> float | None:
        """Seconds since the newest build began, or None."""
        return None if self._build is None else (datetime.now(UTC) - self._build.built_at).total_seconds()
