"""A compactor worker for the fault suite: the product's own role, with a step of its batches turned into a disaster.

    python -m tests.compactor_worker SETTINGS.json [kill:STEP:COUNT | stop:STEP:COUNT | offset-first]

`kill` ends the process (SIGKILL) when it comes to STEP for the COUNT-th time, `stop` freezes it (SIGSTOP). The steps
are those of `processors.compactor.writer`, `stored`, and `ahead`: a batch is merged, and the one before is still under
way (only a backlog brings that about for certain). `offset-first` breaks the order on purpose: the offset goes
first, in a transaction of its own, and the process is killed between that and the state now and then.
"""

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from processors.compactor.messages import Output
from processors.compactor.role import run, run_with
from processors.compactor.writer import Ends, Step, Writer
from schemas.secret import Secret
from schemas.settings import Settings

STEPS = ("begun", "changes", "state", "offset", "committed", "stored")


def disaster(order: str) -> Step:
    """The step function for `kill:STEP:COUNT` or `stop:STEP:COUNT`."""
    what, wanted, count = order.split(":")
    assert wanted in (*STEPS, "ahead")
    number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[what]
    left = int(count)

    def step(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    return step


def break_the_order() -> None:
    """Commit the offset first, and die between it and the state once in a while."""
    whole = Writer._commit
    dice = random.Random(7)

    async def offset_first(self: Writer, output: Output, next_offset: int, mark: str) -> Ends:
        await self._producer.begin_transaction()
        source = TopicPartition(self._topics.reports.name, self._partition)
        await self._producer.send_offsets_to_transaction({source: OffsetAndMetadata(next_offset, mark)}, self._group)
        await self._producer.commit_transaction()
        if dice.random() < 0.1:
            os.kill(os.getpid(), signal.SIGKILL)
        return await whole(self, output, next_offset, mark)

    Writer._commit = offset_first  # type: ignore[method-assign]


def secret(kind: type, value: object) -> object:
    """msgspec's hook for `Secret`."""
    assert kind is Secret
    return Secret(str(value))


def plain(value: Any) -> str:
    """msgspec's hook the other way."""
    assert isinstance(value, Secret)
    return value.reveal()


def main(arguments: list[str]) -> int:
    """Run the worker; the exit code is the role's."""
    settings = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Settings, dec_hook=secret)
    order = arguments[1] if len(arguments) > 1 else ""
    if order == "offset-first":
        break_the_order()
        order = ""
    return run_with(settings, disaster(order)) if order else run(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
