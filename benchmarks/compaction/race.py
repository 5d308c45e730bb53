"""One measured run: start a contender, watch its committed offsets, stop it, and say how fast it was."""

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.compaction.broker import Broker
from benchmarks.compaction.contender import Contender
from benchmarks.compaction.spec import Spec
from deploy.local import probe
from deploy.local.process import Process

POLL: Final = 0.03  # seconds between two looks at the committed offsets; the error of a run's length
SHARED_SECONDS: Final = 1.0  # between two looks at what processes share
TICK: Final = os.sysconf("SC_CLK_TCK")


class Run(Struct, frozen=True, kw_only=True):
    """What one run showed.

    `seconds`: from the first record in hand until its offsets show the work as done. `start_seconds`: from the start of
    the process until the first record in hand (imports, join, recovery). `cpu_seconds`: processor time of all workers
    from then on. `progress`: (seconds, records) pairs.
    """

    records: int
    seconds: float
    start_seconds: float
    cpu_seconds: float
    peak_mib: float
    progress: list[tuple[float, int]]

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


class FailedError(RuntimeError):
    """A contender that did not do its work; the text has its last log lines."""


def race(broker: Broker, contender: Contender, specs: Sequence[Spec], logs: Path) -> Run:
    """Run a contender's workers (one spec each, one group) until `remaining` records more are committed.

    Raises:
        FailedError: a worker ended, or the work was not done in time.
    """
    head = specs[0]
    at_first = sum(broker.committed(head.group, head.reports, head.partitions))
    workers = [contender.process(spec, logs / f"{head.group}-{n}.log") for n, spec in enumerate(specs)]
    for spec in specs:
        for what in (".first", ".done"):
            Path(spec.stamp + what).unlink(missing_ok=True)
    if head.gate:
        Path(head.gate).unlink(missing_ok=True)
    begun = time.monotonic()
    try:
        for worker in workers:
            worker.start()
        if head.gate:
            open_gate(broker, specs)
        return _watch(broker, head, specs, workers, begun, at_first)
    finally:
        for worker in workers:
            worker.stop(20.0)


def open_gate(broker: Broker, specs: Sequence[Spec], deadline: float = 60.0) -> None:
    """Let the records through once all processes of our workers have partitions, and have taken them up: joining and
    recovery are in nobody's rate. (A peer recovers all of its partitions before its first record; ours would begin with
    the first one that is ready, in one process, while the clock runs for all.)"""
    head = specs[0]
    ports = [spec.lookup_port + number for spec in specs for number in range(spec.processes)]
    until = time.monotonic() + deadline
    while True:
        taken_up = [_taken_up(port) for port in ports]
        all_there = all(taken_up) and sum(taken_up) == head.partitions
        if all_there and broker.sharing(head.group, head.reports) == len(ports):
            break
        if time.monotonic() > until:
            raise FailedError(f"{head.group}: {len(ports)} processes have taken up {taken_up} partitions")
        time.sleep(0.1)
    Path(head.gate).touch()


def _taken_up(port: int) -> int:
    """How many partitions the process at a lookup port has taken up; it says so once a second."""
    answer = probe.get(probe.Target("compact", "127.0.0.1", port), "/metrics")
    samples = probe.parse(answer[1]) if answer is not None else []
    return int(sum(value for name, _, value in samples if name == "pushtokens_compactor_partitions_ready"))


def _watch(
    broker: Broker, head: Spec, specs: Sequence[Spec], workers: Sequence[Process], begun: float, at_first: int
) -> Run:
    """Look until the work is done."""
    goal = at_first + head.remaining
    until = begun + 120.0 + head.remaining / 400
    seen: list[tuple[float, int]] = []
    peak = cpu = cpu_before = shared = asked = 0.0
    started = False
    while True:
        ended = not all(worker.running for worker in workers)  # before the look: some stop themselves when done
        done = sum(broker.committed(head.group, head.reports, head.partitions))
        now = time.monotonic()
        if not seen or done != seen[-1][1]:
            seen.append((now, done))
        usage = [_usage(worker) for worker in workers]
        if now - asked > SHARED_SECONDS:
            asked, shared = now, min(_shared(worker) for worker in workers)
        peak, cpu = max(peak, *(mib - shared for mib, _ in usage)), max(cpu, sum(spent for _, spent in usage))
        if not started and head.stamped(".first"):
            started, cpu_before = True, cpu
        if done >= goal or head.stamped(".done"):
            break
        if now > until or ended:
            raise FailedError(f"{head.group} stood at {done} of {goal}; its last lines:\n{workers[0].tail()}")
        time.sleep(POLL)
    first = min(at for spec in specs if (at := spec.stamped(".first")))
    said = head.stamped(".done")
    return Run(
        records=max(done - at_first, head.remaining if said else 0),
        seconds=min(now, said or now) - first,
        start_seconds=first - begun,
        cpu_seconds=cpu - cpu_before,
        peak_mib=peak,
        progress=[(round(max(at - first, 0.0), 3), count - at_first) for at, count in seen],
    )


def peak_mib(worker: Process) -> float:
    """Peak resident memory (MiB) of a running worker: the sum over its processes, what they share counted once."""
    return _usage(worker)[0] - _shared(worker)


def _usage(worker: Process) -> tuple[float, float]:
    """Peak resident memory (MiB) and processor seconds of a worker, all its processes; zeros once it is gone."""
    found = [_usage_of(pid) for pid in (worker.pid, *_children(worker.pid))]
    return sum(mib for mib, _ in found), sum(seconds for _, seconds in found)


def _shared(worker: Process) -> float:
    """What the sum of resident memory (MiB) counts more than once now: RSS less PSS (proc(5), `smaps_rollup`), the sum
    over a worker's processes. Walking page tables takes milliseconds, so it is not asked often."""
    counted = 0
    for pid in (worker.pid, *_children(worker.pid)):
        with contextlib.suppress(OSError, KeyError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
            found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
            counted += found["Rss"] - found["Pss"]
    return counted / 1024


def _children(pid: int | None) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    return []


def _usage_of(pid: int | None) -> tuple[float, float]:
    with contextlib.suppress(OSError, StopIteration):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return int(peak.split()[1]) / 1024, (int(fields[11]) + int(fields[12])) / TICK
    return 0.0, 0.0
