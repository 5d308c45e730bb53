"""From runs to figures: medians, ratios between contenders, and whether the issue's bounds are met."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.compaction.course import Results
from benchmarks.compaction.outage import Outage
from benchmarks.compaction.race import Run

# Who is measured against whom, and what is asked for (issue 4, "done when"); None: told, nothing asked.
# The bounds are for one worker as one would run it on two cores: `compact.processes=2`.
NEW: tuple[tuple[str, str, float | None], ...] = (
    ("ours-rocksdb-2-processes", "quixstreams", 2.0),
    ("ours-rocksdb-2-processes", "faust-stock", 10.0),
    ("ours-rocksdb-2-processes", "ours-rocksdb", None),
    ("ours-rocksdb", "quixstreams", None),
    ("ours-rocksdb", "quixstreams-exactly-once", None),
    ("ours-rocksdb", "faust-stock", None),
    ("ours-rocksdb", "faust-stock-rocksdb", None),
    ("ours-memory", "ours-rocksdb", None),
    ("ours-rocksdb-2-workers", "ours-rocksdb", None),
    ("ours-rocksdb", "plain-consume", None),
)
MIXED: tuple[tuple[str, str, float | None], ...] = (
    ("ours-rocksdb-2-processes", "plain-consume", 0.5),
    ("ours-rocksdb", "plain-consume", None),
    ("ours-memory", "plain-consume", None),
    ("ours-rocksdb", "quixstreams", None),
    ("ours-rocksdb", "faust-stock", None),
)


def figures(results: Results) -> dict[str, Any]:
    """Of each contender: the median rate (records/s), lowest and highest, processor time per record, memory, curve."""
    return {name: _figure(runs) for name, runs in results.items()}


def _figure(runs: Sequence[Run]) -> dict[str, Any]:
    rates = sorted(run.rate for run in runs)
    middle = min(runs, key=lambda run: abs(run.rate - median(rates)))
    return {
        "rate": round(median(rates)),
        "lowest": round(rates[0]),
        "highest": round(rates[-1]),
        "rates": [round(run.rate) for run in runs],
        "records": [run.records for run in runs],
        "cpu_us_per_record": round(median(run.cpu_seconds / run.records for run in runs) * 1e6, 2),
        "start_seconds": round(median(run.start_seconds for run in runs), 2),
        "peak_mib": round(max(run.peak_mib for run in runs)),
        "progress": middle.progress,
    }


def ratios(found: Mapping[str, Any], pairs: Sequence[tuple[str, str, float | None]]) -> list[dict[str, Any]]:
    """Each pair that ran: `of`, `to`, `ratio` of their median rates, `asked` and whether it is `met`."""
    return [
        {
            "of": ours,
            "to": other,
            "ratio": round(ratio, 2),
            "asked": asked,
            "met": None if asked is None else ratio >= asked,
        }
        for ours, other, asked in pairs
        if ours in found and other in found
        for ratio in [found[ours]["rate"] / found[other]["rate"]]
    ]


def outage(name: str, outages: Sequence[Outage], asked: float | None) -> dict[str, Any]:
    """Median and worst of some outages (seconds), and whether the worst is within what is asked."""
    worst = max(each.seconds for each in outages)
    return {
        "what": name,
        "seconds": round(median(each.seconds for each in outages), 2),
        "worst": round(worst, 2),
        "peak_mib": round(max(each.peak_mib for each in outages)),
        "asked": asked,
        "met": None if asked is None else worst <= asked,
    }


def lines(document: Mapping[str, Any]) -> list[str]:
    """The document's ratios and outages as text."""
    found: list[str] = []
    for size in document["sizes"]:
        for mix in ("new", "mixed"):
            for entry in size[mix]["ratios"]:
                pair = f"{entry['of']} is {entry['ratio']:.2f} x {entry['to']}"
                found.append(f"{size['selectors']:>9,} {mix:5}  {pair}{_asked(entry)}")
    found += [f"FAILED {text.splitlines()[0]}" for text in document["failures"]]
    for entry in document["outages"]:
        found.append(f"{entry['what']}: {entry['seconds']} s (worst {entry['worst']} s){_asked(entry)}")
    for entry in document["memory"]:
        found.append(f"peak memory of {entry['of']} at {entry['selectors']:,}: {entry['mib']} MiB{_asked(entry)}")
    return found


def markdown(document: Mapping[str, Any]) -> str:
    """The document as Markdown tables, for the docs."""
    where = document["machine"]
    found = [
        f"Measured {where['measured_at'][:10]} on {where['cores']} cores ({where['processor']}, {where['memory_gib']} "
        f"GiB, load {where['load_1m']} before), Python {where['python']}."
    ]
    for size in document["sizes"]:
        for mix, title in (("new", "every selector new"), ("mixed", "known selectors, 95 % unchanged")):
            found += ["", f"**{size['selectors']:,} selectors, {title}** (median of {size['rounds']})", ""]
            found += ["| contender | records/s | lowest to highest | CPU us/record | peak MiB | start s |"]
            found += ["|---|---|---|---|---|---|"]
            found += [_row(name, each) for name, each in size[mix]["figures"].items()]
    return "\n".join([*found, "", *(f"- {line.strip()}" for line in lines(document)), ""])


def _row(name: str, figure: Mapping[str, Any]) -> str:
    rates = f"{figure['rate']:,} | {figure['lowest']:,} to {figure['highest']:,}"
    return (
        f"| {name} | {rates} | {figure['cpu_us_per_record']:.1f} | {figure['peak_mib']:,} "
        f"| {figure['start_seconds']:.1f} |"
    )


def _asked(entry: Mapping[str, Any]) -> str:
    if entry["asked"] is None:
        return ""
    return f"  [asked: {entry['asked']}; {'met' if entry['met'] else 'NOT MET'}]"
