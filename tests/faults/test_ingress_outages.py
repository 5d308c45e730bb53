"""Kafka away under load, in every way: answers in time, memory flat, recovery by itself, nothing lost or doubled.

Issue 6: "every 200 is in the topic exactly once afterwards, every refusal was a 503, extra records exist only for
requests that got one." Short form: some kinds, 15 s at most. With SOAK=1 all of them for 60 s, with one worker and two.
`--log-cli-level INFO` prints the figures of each.
"""

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Final

import pytest

from deploy.init import init_topics
from tests.engines import make_settings
from tests.ingress import check_promise, loading, memory, running_ingress, seen, turns
from tests.outages import KINDS, kafka_with
from tests.poll import elapse_async

log = logging.getLogger(__name__)

SOAK: Final = bool(os.environ.get("SOAK"))
SEED: Final = 20261124
ANSWER_SECONDS: Final = 2.0  # the promise (issue 3); measured at the client, on a machine that also runs Kafka
RED_SECONDS: Final = 5.0  # a probe every second, with a second to be answered, and a request's 1.5 s
RECOVERY_SECONDS: Final = 15.0  # from Kafka's first answer to a green ingress; the sum of what aiokafka may wait for
MEMORY_MIB: Final = 150.0  # issue 6
GROWTH_MIB: Final = 30.0  # over an outage: what was in flight, and Python's own slack
CASES: Final = (
    [(kind, workers, 60.0) for kind in KINDS for workers in (1, 2)]
    if SOAK
    else [("frozen", 1, 15.0), ("killed", 2, 15.0), ("lossy", 1, 4.0), ("leaderless", 1, 8.0)]
)


@pytest.mark.parametrize(("kind", "workers", "seconds"), CASES)
async def test_outage(tmp_path: Path, kind: str, workers: int, seconds: float) -> None:
    with kafka_with(kind, tmp_path, SEED) as outage:
        settings = make_settings(tmp_path / "data", outage.bootstrap, "http://127.0.0.1:9", ingest={"workers": workers})
        await init_topics(settings)
        with running_ingress(settings, tmp_path / "ingress.log") as ingress:
            serving = ingress.workers()
            assert len(serving) == workers
            async with loading(ingress.port) as load:
                await seen(load, 200, 1000)
                before = [memory(pid) for pid in serving]
                confirmed = load.count(200)
                await asyncio.to_thread(outage.begin)
                try:
                    if not outage.flickers:
                        await seen(load, 503, 30)
                        await turns(ingress, ready=False, seconds=RED_SECONDS)
                    await elapse_async(seconds, "what the outage does to the ingress takes its time")
                    during = load.count(200) - confirmed
                finally:
                    await asyncio.to_thread(outage.end)
                back = time.monotonic()
                await turns(ingress, ready=True, seconds=RECOVERY_SECONDS)
                await seen(load, 200, 1000)
                recovered = time.monotonic() - back
            after = [memory(pid) for pid in serving]
            most = [memory(pid, "VmHWM") for pid in serving]
            assert ingress.workers() == serving  # nobody was replaced
            assert ingress.stop() == 0
        found = await check_promise(settings, load.answers)
    extra = found.total() - load.count(200)
    log.info(
        "%s, %d workers, %g s, seed %d: %d with 200 (%d meanwhile), %d with 503, %d extra records; well after %.1f s; "
        "slowest %s; MiB %s, then %s, at most %s",
        *(kind, workers, seconds, SEED, load.count(200), during, load.count(503), extra, recovered),
        *({status: round(wait, 2) for status, wait in load.slowest.items()}, before, after, most),
    )
    assert set(load.answers.values()) <= {200, 503}
    assert max(load.slowest.values()) < ANSWER_SECONDS
    assert recovered < RECOVERY_SECONDS
    assert max(most) < MEMORY_MIB
    assert max(late - early for early, late in zip(before, after, strict=True)) < GROWTH_MIB
    if outage.part or outage.flickers:
        assert during > 100  # what can be confirmed goes on being confirmed
    if outage.part:  # and the producer of the healthy partitions is given up for the others once, not again and again
        assert (tmp_path / "ingress.log").read_text().count("the producer is replaced") <= workers
