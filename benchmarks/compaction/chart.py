"""The picture for the docs: rates of all contenders, and whether a growing table slows them down."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS: Final = {
    "ours-rocksdb": "#0b6e4f",
    "ours-rocksdb-2-processes": "#063b28",
    "ours-memory": "#5fb49c",
    "ours-rocksdb-2-workers": "#3a7d7b",
    "quixstreams": "#d1495b",
    "quixstreams-exactly-once": "#e8a5ad",
    "faust-stock": "#edae49",
    "faust-stock-rocksdb": "#f5d49b",
    "plain-consume": "#8d99ae",
}

LIMIT: Final = "plain-consume"


def draw(document: Mapping[str, Any], target: Path) -> None:
    """Write the picture (PNG) of a result document."""
    mpl.use("Agg")
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    axes = figure.subplots(2, 2)
    sizes = document["sizes"]
    _bars(axes[0][0], sizes, "new", "Every selector is new")
    _bars(axes[0][1], sizes, "mixed", "Known selectors, 95 % unchanged")
    _growth(axes[1][0], sizes[-1])
    _processor(axes[1][1], sizes[-1])
    where = document["machine"]
    figure.suptitle("Compactor: records a second, one worker unless it says otherwise", fontsize=14)
    figure.supxlabel(
        f"{where['cores']} cores with Kafka on them, {where['processor']}; medians of {_rounds(sizes)} alternating "
        f"runs, whiskers lowest and highest; {where['measured_at'][:10]}",
        fontsize=8,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)


def _bars(axes: Axes, sizes: Sequence[Mapping[str, Any]], mix: str, title: str) -> None:
    names = [name for name in COLOURS if any(name in size[mix]["figures"] for size in sizes)]
    if mix == "new":  # the limit would dwarf the rest, and only the other mix is measured against it
        names = [name for name in names if name != LIMIT]
    height = 0.8 / len(sizes)
    for number, size in enumerate(sizes):
        for row, name in enumerate(names):
            found = size[mix]["figures"].get(name)
            if found is None:
                continue
            at = row + (number - (len(sizes) - 1) / 2) * height
            spread = [[found["rate"] - found["lowest"]], [found["highest"] - found["rate"]]]
            axes.barh(at, found["rate"], height * 0.92, color=COLOURS[name], alpha=1 - 0.35 * number, xerr=spread)
            axes.text(
                found["highest"], at, f" {found['rate']:,}  ({_short(size['selectors'])})", va="center", fontsize=7
            )
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("records/s", fontsize=8)


def _growth(axes: Axes, size: Mapping[str, Any]) -> None:
    """Records done against time: a straight line is a table whose size does not matter."""
    for name, found in size["new"]["figures"].items():
        if name == LIMIT:
            continue
        points = found["progress"]
        axes.plot(
            [at for at, _ in points], [count for _, count in points], color=COLOURS[name], label=name, linewidth=1.8
        )
    axes.set_title(f"From nothing to {size['selectors']:,} selectors (straight: growth costs nothing)", fontsize=10)
    axes.set_xlabel("seconds", fontsize=8)
    axes.set_ylabel("records done", fontsize=8)
    axes.legend(fontsize=7)


def _processor(axes: Axes, size: Mapping[str, Any]) -> None:
    """Processor time per record, which other load on the machine moves less than the rate."""
    found = {
        name: size["new"]["figures"][name]["cpu_us_per_record"] for name in COLOURS if name in size["new"]["figures"]
    }
    bars = axes.barh(list(found), list(found.values()), color=[COLOURS[name] for name in found])
    axes.bar_label(bars, fmt="%.1f", fontsize=7, padding=2)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title("Processor time of the contender, every selector new", fontsize=10)
    axes.set_xlabel("microseconds per record", fontsize=8)


def _rounds(sizes: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{size['rounds']} ({_short(size['selectors'])})" for size in sizes)


def _short(selectors: int) -> str:
    return f"{selectors // 1_000_000} M" if selectors >= 1_000_000 else f"{selectors // 1000} k"
