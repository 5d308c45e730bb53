"""What a contender's process is told, and how it says when its first record was in hand."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct


class Spec(Struct, frozen=True, kw_only=True):
    """One process of one run; passed as JSON on the command line.

    `remaining`: records until the contender has done its work. `gate`: a file that must exist before the first record
    is handed out (all partitions have been taken up); empty: none. `stamp`: start of the paths where
    stamps are written. Times are CLOCK_MONOTONIC, which all processes share.
    """

    bootstrap: str
    reports: str
    prefix: str
    group: str
    log_id: str
    partitions: int
    data_dir: str
    store: str
    remaining: int
    stamp: str
    gate: str = ""
    lookup_port: int = 0
    instance: str = ""
    exactly_once: bool = False
    processes: int = 1

    @classmethod
    def read(cls) -> "Spec":
        """The spec on this process's command line."""
        return msgspec.json.decode(sys.argv[1], type=cls)

    def text(self) -> str:
        """As it stands on the command line."""
        return msgspec.json.encode(self).decode()

    def first(self) -> None:
        """Write down that the first record is in hand."""
        self._stamp(".first")

    def done(self) -> None:
        """Write down that the work is done, for a contender whose committed offsets lag far behind its work."""
        self._stamp(".done")

    def stamped(self, what: str) -> float | None:
        """When it was written down that `what` (`.first`, `.done`) was so; None: not yet."""
        try:
            return float(Path(self.stamp + what).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def _stamp(self, what: str) -> None:
        if Path(self.stamp + what).exists():  # another process of the same worker was first
            return
        partial = Path(f"{self.stamp}.{os.getpid()}.partial")
        partial.write_text(f"{time.monotonic():.6f}", encoding="utf-8")
        partial.rename(self.stamp + what)


def on_first_fetch(spec: Spec, then: Callable[[], None]) -> None:
    """Make aiokafka (which our compactor, Faust and the plain reader share) call `then` at the first records of
    `reports`, which it holds back until the gate is open.

    The wrapper puts the original back after that, so the run itself goes through unchanged code.
    """
    from aiokafka.consumer.fetcher import Fetcher

    original = Fetcher.fetched_records
    gate = spec.gate

    async def fetched(self: Any, *args: Any, **kwargs: Any) -> Any:
        read = self._subscriptions.subscription
        held = gate and read is not None and spec.reports in read.topics
        if held and not os.path.exists(gate):  # noqa: ASYNC240, PTH110  (a stat, before the clock starts)
            await asyncio.sleep(0.01)
            return {}
        found = await original(self, *args, **kwargs)
        if any(partition.topic == spec.reports for partition in found):
            Fetcher.fetched_records = original
            then()
        return found

    Fetcher.fetched_records = fetched
