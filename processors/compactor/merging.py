"""Merges a batch of an owned partition: what may change something is looked up and merged, slice by slice."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from processors.compactor.batch import Folded, Move, fold
from processors.compactor.copy import Copy
from processors.compactor.known import Known
from processors.compactor.messages import Output
from processors.compactor.reading import Log, Read, read
from processors.compactor.rules import UNCHANGED, State
from processors.compactor.values import Values, decode
from processors.log_record import LogRecord

if TYPE_CHECKING:
    from processors.compactor.shared import Shared

# Records merged in one turn of the event loop, about 3 ms. Every partition takes its turn, and a transaction needs ten
# of them: with 1000, four partitions spent half of the time waiting for each other (20,000 instead of 29,000 a second).
SLICE: Final = 128
# Records read in one turn, about 2 ms. In a pause of the loop the consumer's thread takes Python's lock for 0.5 ms.
READ_SLICE: Final = 1024
CHUNK: Final = 4096  # records whose states are read at once, in a thread: 1 to 5 ms


class Merging:
    """The merging of one partition, from one take-up to the next."""

    def __init__(self, copy: Copy, log: Log, shared: "Shared", known: Known) -> None:
        """`known`: fingerprints of what `copy` holds, or none; they go on with what is merged here."""
        self._copy, self._log, self._shared, self._known = copy, log, shared, known

    async def fold(self, records: Sequence[LogRecord], output: Output, pending: Mapping[bytes, Move]) -> None:
        """Merge the records into `output`; the states of what may change something are read in a thread.

        Args:
            records: what comes next in the log.
            output: where it goes; empty.
            pending: what the batch before moves: it is merged, but perhaps not in the store yet. (When it gets there
                meanwhile, it is the same; its keys are not read from there.)
        """
        states: dict[bytes, State] = {}
        output.appended = records[0].timestamp, records[-1].timestamp
        for start in range(0, len(records), CHUNK):
            news = await self._news(records[start : start + CHUNK], output)
            if wanted := {record[0] for record in news} - states.keys():
                moving = wanted & pending.keys()
                states.update({key: pending[key][1] for key in moving})
                if unread := wanted - moving:
                    states.update(decode(await self._load(list(unread))))
            for at in range(0, len(news), SLICE):
                self._merge(news[at : at + SLICE], states, output)
                await asyncio.sleep(0)

    async def _news(self, records: Sequence[LogRecord], output: Output) -> list[Read]:
        """Those of `records` that may change something; the others are counted."""
        found: list[Read] = []
        moving: set[bytes] = set()
        for at in range(0, len(records), READ_SLICE):
            part = records[at : at + READ_SLICE]
            good, bad = read(part, self._log, self._shared.rules.future_tolerance)
            news = self._known.news(good, moving)
            output.add(Folded({}, [], bad, {UNCHANGED: len(good) - len(news)}))
            found += news
            await asyncio.sleep(0)
        return found

    def _merge(self, records: Sequence[Read], states: dict[bytes, State], output: Output) -> None:
        part = fold(records, states, self._log, self._shared.rules)
        output.add(part)
        after = {key: move[1] for key, move in part.moves.items()}
        self._known.learn(records, states, after)
        states.update(after)

    def _load(self, keys: Sequence[bytes]) -> Awaitable[Values]:
        return asyncio.get_running_loop().run_in_executor(self._shared.readers, self._copy.values, keys)
