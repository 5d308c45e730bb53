"""The ingress while Kafka is away: it ends in time when asked to, and readiness is right without traffic too."""

import asyncio
import logging
import os
import time
from pathlib import Path

import pytest

from deploy.init import init_topics
from deploy.local.ports import free_port
from schemas.settings import Settings
from tests.engines import make_settings, running_kafka
from tests.gate_proxy import GateProxy
from tests.ingress import ask, check_promise, get, loading, running_ingress, seen, status_of, turns
from tests.outages import kafka_with, restart

log = logging.getLogger(__name__)

SOAK = bool(os.environ.get("SOAK"))
RED_SECONDS = 10.0
GREEN_SECONDS = 20.0
DRAIN_SECONDS = 3.0
CLOSE_SECONDS = 9.0  # beyond the drain timeout; what a supervisor must allow (docs/ingress.md)
AWAY = ("killed", "frozen", "refused", "swallowed", "deaf")
CASES = [(kind, workers) for kind in AWAY for workers in (1, 2)] if SOAK else [("frozen", 1), ("swallowed", 2)]


def own_settings(tmp_path: Path, bootstrap: str, **ingest: object) -> Settings:
    return make_settings(tmp_path / "data", bootstrap, "http://127.0.0.1:9", ingest=ingest)


@pytest.mark.parametrize(("kind", "workers"), CASES)
async def test_sigterm_while_kafka_is_away_ends_in_time(tmp_path: Path, kind: str, workers: int) -> None:
    """Exit code 0, every request answered; also with refusals on the way to a topic of their own."""
    with kafka_with(kind, tmp_path) as outage:
        settings = own_settings(tmp_path, outage.bootstrap, drain_timeout=DRAIN_SECONDS, workers=workers)
        await init_topics(settings)
        with running_ingress(settings, tmp_path / "ingress.log") as ingress:
            async with loading(ingress.port) as load:
                await seen(load, 200, 200)
                await asyncio.to_thread(outage.begin)
                try:
                    for _ in range(20):
                        refused = await asyncio.to_thread(ask, ingress.port, get("/token/?selector=%00"))
                        assert status_of(refused) == 400
                    await seen(load, 503, 30)
                    load.stop.set()
                    started = time.monotonic()
                    code = await asyncio.to_thread(ingress.stop, 60.0)
                    took = time.monotonic() - started
                finally:
                    await asyncio.to_thread(outage.end)
            assert code == 0
            log.info(
                "%s, %d workers: ended %.1f s after SIGTERM (drain timeout %.0f s)", kind, workers, took, DRAIN_SECONDS
            )
            assert took < DRAIN_SECONDS + CLOSE_SECONDS
        assert set(load.answers.values()) <= {200, 503}
        await check_promise(settings, load.answers)


async def test_kafka_killed_and_moved_without_traffic(tmp_path: Path) -> None:
    """Nobody sends reports to an ingress that is not ready, so it must notice by itself: that Kafka is gone, and that
    it is back, at an address that the producer has never heard of."""
    with running_kafka(tmp_path / "kafka") as broker:
        proxy = GateProxy(broker.port)  # an address that stays, as a load balancer's or a name's
        settings = own_settings(tmp_path, f"127.0.0.1:{proxy.port}")
        await init_topics(settings)
        with running_ingress(settings, tmp_path / "ingress.log") as ingress:
            await asyncio.to_thread(broker.kill)
            await turns(ingress, ready=False, seconds=RED_SECONDS)
            broker.port = proxy.target = free_port()
            await asyncio.to_thread(restart, broker)
            await turns(ingress, ready=True, seconds=GREEN_SECONDS)
        proxy.close()
