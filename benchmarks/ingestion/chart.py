"""The picture for the docs: rates, processor time, latency and memory of all contenders."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from benchmarks.ingestion.contender import GO, NOOP, OURS, OURS_2, PLAIN
from benchmarks.ingestion.summary import Figure

COLOURS: Final = {OURS: "#0b6e4f", OURS_2: "#063b28", PLAIN: "#d1495b", GO: "#edae49", NOOP: "#8d99ae"}


def draw(document: Mapping[str, Any], found: Sequence[Figure], target: Path) -> None:
    """Write the picture (PNG) of the figures: GET if it was measured, at the fewest partitions."""
    mpl.use("Agg")
    mix = "get" if any(each.mix == "get" for each in found) else "post"
    partitions = sorted({each.partitions for each in found})
    connections = sorted({each.connections for each in found})
    shown = [each for each in found if each.mix == mix]
    few = [each for each in shown if each.partitions == partitions[0]]
    many = [each for each in shown if each.partitions == partitions[-1]]
    picture = Picture(figsize=(12, 8.5), layout="constrained")
    axes = picture.subplots(2, 2)
    _bars(
        axes[0][0], few, connections, f"Accepted reports, {partitions[0]} partitions", "reports/s", _rate, spread=True
    )
    _bars(
        axes[0][1], many, connections, f"Accepted reports, {partitions[-1]} partitions", "reports/s", _rate, spread=True
    )
    _bars(axes[1][0], few, connections, f"p99 latency, {partitions[0]} partitions", "ms", lambda each: each.p99_ms)
    _bars(
        axes[1][1],
        few,
        connections,
        "Processor time of the server for a report",
        "microseconds",
        lambda each: each.cpu_us,
    )
    where = document["machine"]
    picture.suptitle(f"Ingress: the specification's {mix.upper()}, acknowledged by Kafka (but for noop)", fontsize=14)
    picture.supxlabel(
        f"{where['cores']} cores with Kafka and wrk on them, {where['processor']}; medians of {document['rounds']} "
        f"alternating rounds, whiskers lowest and highest; {where['measured_at'][:10]}",
        fontsize=8,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(target, dpi=110)


def _rate(each: Figure) -> float:
    return each.rate


def _bars(
    axes: Axes,
    found: Sequence[Figure],
    connections: Sequence[int],
    title: str,
    unit: str,
    value: Callable[[Figure], float],
    *,
    spread: bool = False,
) -> None:
    names = [name for name in COLOURS if any(each.contender == name for each in found)]
    height = 0.8 / len(connections)
    for each in found:
        number = connections.index(each.connections)
        at = names.index(each.contender) + (number - (len(connections) - 1) / 2) * height
        much = value(each)
        error = [[much - each.lowest], [each.highest - much]] if spread else None
        axes.barh(at, much, height * 0.92, color=COLOURS[each.contender], alpha=1 - 0.35 * min(number, 2), xerr=error)
        axes.text(
            each.highest if spread else much,
            at,
            f" {much:,.0f}  ({each.connections})" if much >= 100 else f" {much:.1f}  ({each.connections})",
            va="center",
            fontsize=7,
        )
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_title(f"{title} (in brackets: connections)", fontsize=10)
    axes.set_xlabel(unit, fontsize=8)
