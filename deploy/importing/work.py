"""Imports one file: what is done already is passed over, the rest goes onto the log batch by batch."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from deploy.importing import files, progress
from deploy.importing.files import Line
from deploy.importing.lines import LineError, Rules, report_of
from deploy.importing.log import ImportLog
from deploy.importing.progress import Checkpoint, Counts
from ingest.values import Limits
from processors.clickhouse import ClickHouse
from processors.erasure import erased_among
from processors.sink.erasures import SELECTOR, USERNAME, digest
from schemas.records import Report
from schemas.settings import Settings

BATCH: Final = (
    1000  # records of the file between two marks: 0.1 s, and at most what a kill makes the next run read again
)

Bad = Callable[[int, LineError], None]
Moved = Callable[[int, Counts], None]


class Task(Struct, frozen=True):
    """What to import: the file, its form (`csv` or `jsonl`), records/s at most (0: no limit), and whether a file that
    has been imported is imported once more."""

    path: Path
    form: str
    rate: float = 0.0
    again: bool = False


class AlreadyError(Exception):
    """The file was imported before: `counts` says what became of it."""

    def __init__(self, counts: Counts) -> None:
        super().__init__("this file has been imported")
        self.counts = counts


async def run(settings: Settings, task: Task, bad: Bad, moved: Moved) -> Counts:
    """Import. A kill at any moment is made good by running it again.

    Args:
        bad: hears of each line that cannot be imported (its number from 1).
        moved: hears how far it is: bytes of the file, counts.

    Raises:
        AlreadyError: nothing is left to do.
        BusyError: another process on this machine imports the same file.
        FileError, OSError: the file, or the data directory.
        RefusedError, AwayError: ClickHouse, which holds the list of who was forgotten.
        TopicMissingError: there is no log.
        aiokafka.errors.KafkaError, TimeoutError: Kafka.
    """
    identity = await asyncio.to_thread(files.identity, task.path)
    if task.again:
        identity = digest(f"{identity} {time.time_ns()}")
    place = progress.path_of(settings.data_dir, identity)
    with progress.alone(place):
        counts = await _import(settings, task, identity, place, bad, moved)
        progress.save(place, Checkpoint(task.path.name, counts, finished=True))
    return counts


async def _import(settings: Settings, task: Task, identity: str, place: Path, bad: Bad, moved: Moved) -> Counts:
    if (earlier := progress.load(place)) is not None and earlier.finished:
        raise AlreadyError(earlier.counts)
    log = ImportLog(settings, identity)
    try:
        counts = await log.start(earlier)
        with ClickHouse(settings) as clickhouse:
            return await _send(settings, task, log, counts, place, Erased(clickhouse), bad, moved)
    finally:
        await log.close()


def check(settings: Settings, task: Task, bad: Bad, moved: Moved) -> Counts:
    """Read the whole file and send nothing; arguments and errors as of `run`. `sent` counts what would be sent."""
    counts, rules = Counts(), rules_of(settings)
    for batch in _batches(files.lines(task.path, task.form), 0):
        counts.sent += len(_reports(batch, rules, counts, bad))
        moved(batch[-1].end, counts)
    return counts


class Erased:
    """Asks for who was forgotten batch by batch: before one is written, and once more after it, since the erasure may
    begin in between. The cost of a question goes with the batch, not with the list."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._written: list[Report] = []

    async def sort_out(self, reports: list[Report], log: ImportLog, counts: Counts) -> list[Report]:
        """Those of `reports` that may be written, counted in `counts`; raises as `erased_among`."""
        asked = [*reports, *self._written]
        selectors = {report.selector for report in asked}
        usernames = {report.username for report in asked if report.username}
        found = await asyncio.to_thread(erased_among, self._clickhouse, selectors, usernames)
        gone = {report.id for report in asked if was_erased(report, found)}
        kept = [report for report in reports if report.id not in gone or log.has(report)]
        counts.overtaken += sum(report.id in gone for report in [*kept, *self._written])
        counts.sent += len(kept)
        counts.forgotten += len(reports) - len(kept)
        self._written = [report for report in kept if report.id not in gone]
        return kept


async def _send(
    settings: Settings, task: Task, log: ImportLog, counts: Counts, place: Path, erased: Erased, bad: Bad, moved: Moved
) -> Counts:
    rules = rules_of(settings)
    began, already = time.monotonic(), counts.done
    for batch in _batches(files.lines(task.path, task.form), counts.done):
        now = msgspec.structs.replace(counts)
        reports = await erased.sort_out(_reports(batch, rules, now, bad), log, now)
        counts.overtaken = now.overtaken
        await log.mark(counts)
        progress.save(place, Checkpoint(task.path.name, counts, log_id=log.log_id, starts=log.starts))
        await log.write(reports)
        counts = now
        moved(batch[-1].end, counts)
        if task.rate:
            due = began + (counts.done - already) / task.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    await erased.sort_out([], log, counts)
    await log.mark(counts)
    return counts


def rules_of(settings: Settings) -> Rules:
    """The ingress's limits; a time further ahead than the compactor bears would be rejected by it."""
    limits = Limits(max_field=settings.ingest.max_field, strict_selector=settings.ingest.strict_selector)
    return Rules(limits, time.time_ns() // 1_000_000 + round(settings.compact.future_tolerance * 1000))


def was_erased(report: Report, erased: dict[tuple[str, str], int]) -> bool:
    """Whether `pushtokens forget` has erased the selector or the account since the time of this report."""
    if not erased:
        return False
    times = [erased.get((SELECTOR, digest(report.selector)), -1)]
    if report.username is not None:
        times.append(erased.get((USERNAME, digest(report.username)), -1))
    return report.received_at <= max(times)


def _reports(batch: list[Line], rules: Rules, counts: Counts, bad: Bad) -> list[Report]:
    """The records of a batch; its bad lines are told and counted."""
    found = []
    for line in batch:
        try:
            if line.error is not None or line.values is None:
                raise line.error or LineError("line", "has no values")
            found.append(report_of(line.values, rules))
        except LineError as error:
            counts.bad += 1
            bad(line.number, error)
    return found


def _batches(lines: Iterator[Line], done: int) -> Iterator[list[Line]]:
    """What comes after the first `done` records, in lists of `BATCH` at most."""
    batch: list[Line] = []
    for number, line in enumerate(lines):
        if number < done:
            continue
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
