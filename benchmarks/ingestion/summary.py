"""From runs to figures: medians, ratios of one run, the bounds, and tables for people."""

from collections.abc import Mapping, Sequence
from itertools import product
from statistics import median
from typing import Any, Final

from msgspec import Struct

from benchmarks.ingestion.contender import NOOP, OURS, PLAIN
from benchmarks.ingestion.race import Run

# What issue 6 asks of one worker.
OVER: Final = ((NOOP, 0.6), (PLAIN, 1.8))  # in the cases below
AT_CONNECTIONS, AT_PARTITIONS = 64, 2
MANY, MANY_SHARE = 512, 0.8  # of the rate at 64 connections, at any number of partitions
WORKER_MIB: Final = 150.0
LONGEST_MS: Final = 2000.0  # wrk's own time-out, and the time in which the ingress promises an answer


class Figure(Struct, frozen=True, kw_only=True):
    """Medians of the rounds of one contender in one case; `lowest` and `highest` rate; memory and longest answer: the
    worst round's.

    `peak_mib` is the sum over the server's processes, `largest_mib` that of the largest.
    """

    contender: str
    partitions: int
    mix: str
    connections: int
    rounds: int
    rate: float
    lowest: float
    highest: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    longest_ms: float
    cpu_us: float
    peak_mib: float
    largest_mib: float


class Bound(Struct, frozen=True, kw_only=True):
    """Something asked for: `got` must be at least `asked` (at most, where `most`)."""

    what: str
    got: float
    asked: float
    most: bool = False

    @property
    def met(self) -> bool:
        """Whether it is so."""
        return self.got <= self.asked if self.most else self.got >= self.asked


def figures(runs: Sequence[Run]) -> list[Figure]:
    """A figure for each contender and case, in the order in which they first ran."""
    groups: dict[tuple[str, int, str, int], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.contender, run.partitions, run.mix, run.connections), []).append(run)
    return [_figure(found) for found in groups.values()]


def _figure(runs: Sequence[Run]) -> Figure:
    one = runs[0]
    return Figure(
        contender=one.contender,
        partitions=one.partitions,
        mix=one.mix,
        connections=one.connections,
        rounds=len(runs),
        rate=median(run.rate for run in runs),
        lowest=min(run.rate for run in runs),
        highest=max(run.rate for run in runs),
        p50_ms=median(run.p50_ms for run in runs),
        p99_ms=median(run.p99_ms for run in runs),
        p999_ms=median(run.p999_ms for run in runs),
        longest_ms=max(run.longest_ms for run in runs),
        cpu_us=median(run.cpu_us for run in runs),
        peak_mib=max(sum(run.peaks_mib) for run in runs),
        largest_mib=max(max(run.peaks_mib) for run in runs),
    )


def ratios(found: Sequence[Figure]) -> list[dict[str, Any]]:
    """Our rate (one worker) over everybody else's, and their processor time over ours, case by case."""
    ours = {(each.partitions, each.mix, each.connections): each for each in found if each.contender == OURS}
    return [
        {
            "partitions": each.partitions,
            "mix": each.mix,
            "connections": each.connections,
            "to": each.contender,
            "rate": mine.rate / each.rate,
            "cpu": each.cpu_us / mine.cpu_us if mine.cpu_us else 0.0,
        }
        for each in found
        if each.contender != OURS
        for mine in [ours.get((each.partitions, each.mix, each.connections))]
        if mine is not None
    ]


def bounds(found: Sequence[Figure]) -> list[Bound]:
    """Every bound of which both sides ran."""
    rates = {(each.contender, each.partitions, each.mix, each.connections): each.rate for each in found}
    result = []
    for mix, (other, asked) in product(_distinct(found, "mix"), OVER):
        case = (AT_PARTITIONS, mix, AT_CONNECTIONS)
        if (OURS, *case) in rates and (other, *case) in rates:
            what = f"{mix}, {AT_CONNECTIONS} connections, {AT_PARTITIONS} partitions: ours over {other}"
            result.append(Bound(what=what, got=rates[OURS, *case] / rates[other, *case], asked=asked))
    for partitions, mix in product(_distinct(found, "partitions"), _distinct(found, "mix")):
        few, many = ((OURS, partitions, mix, count) for count in (AT_CONNECTIONS, MANY))
        if few in rates and many in rates:
            what = f"{mix}, {partitions} partitions: ours at {MANY} connections over {AT_CONNECTIONS}"
            result.append(Bound(what=what, got=rates[many] / rates[few], asked=MANY_SHARE))
    peaks = [each.largest_mib for each in found if each.contender == OURS]
    if peaks:
        longest = max(each.longest_ms for each in found if each.contender == OURS)
        result.append(Bound(what="ms of our longest answer (no time-out)", got=longest, asked=LONGEST_MS, most=True))
        result.append(Bound(what="MiB of our largest worker", got=max(peaks), asked=WORKER_MIB, most=True))
    return result


def _distinct(found: Sequence[Figure], name: str) -> list[Any]:
    return list(dict.fromkeys(getattr(each, name) for each in found))


def markdown(document: Mapping[str, Any], found: Sequence[Figure]) -> str:
    """Tables for people."""
    where = document["machine"]
    lines = [
        f"{where['measured_at'][:10]}, {where['cores']} cores ({where['processor']}), load {where['load_1m']} before; "
        f"{document['wrk']}; medians of {document['rounds']} alternating rounds of {document['seconds']} s.",
        "",
    ]
    for partitions, mix, connections in product(
        *(_distinct(found, name) for name in ("partitions", "mix", "connections"))
    ):
        rows = [
            each for each in found if (each.partitions, each.mix, each.connections) == (partitions, mix, connections)
        ]
        if rows:
            lines += [f"{mix.upper()}, {connections} connections, {partitions} partitions:", "", *_table(rows), ""]
    lines += [*bound_lines(found), ""]
    lines += [f"- not run: {name}: {reason}" for name, reason in document["left_out"].items()]
    return "\n".join(lines).rstrip() + "\n"


def _table(rows: Sequence[Figure]) -> list[str]:
    ours = next((row.rate for row in rows if row.contender == OURS), None)
    head = ("", "requests/s", "ours is", "p50 ms", "p99 ms", "p99.9 ms", "processor µs/report", "peak MiB")
    lines = [_row(head), _row(["---"] * len(head))]
    for row in rows:
        ratio = f"{ours / row.rate:.2f} x" if ours and row.contender != OURS else ""
        times = [f"{value:.1f}" for value in (row.p50_ms, row.p99_ms, row.p999_ms, row.cpu_us)]
        lines.append(_row([row.contender, f"{row.rate:,.0f}", ratio, *times, f"{row.peak_mib:.0f}"]))
    return lines


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def bound_lines(found: Sequence[Figure]) -> list[str]:
    """A line for each bound that could be looked at."""
    return [
        f"- {each.what}: {each.got:.2f} (asked: at {'most' if each.most else 'least'} {each.asked:g})"
        f"{'' if each.met else ' **missed**'}"
        for each in bounds(found)
    ]
