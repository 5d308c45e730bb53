"""The compactor beside its peers (issue: at least 2x quixstreams, 10x the stock Faust agent, half the plain limit).

python -m benchmarks.compactor            the whole, about an hour
python -m benchmarks.compactor --quick    a smoke test of a minute or two; its figures mean nothing
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.compaction import summary
from benchmarks.compaction.broker import Broker
from benchmarks.compaction.chart import draw
from benchmarks.compaction.contender import CONTENDERS, ROOT, Contender
from benchmarks.compaction.course import Course, Plan
from benchmarks.compaction.outage import Outage, lose_one_of_two, restart
from benchmarks.compaction.race import FailedError
from benchmarks.machine import machine
from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port

RESULTS: Final = ROOT / "benchmarks" / "results"
PICTURE: Final = ROOT / "docs" / "pictures" / "compactor.png"
MEMORY_MIB: Final = 600  # issue 4, at 1,000,000 selectors
FULL: Final = "ours-rocksdb"
BOTH_CORES: Final = "ours-rocksdb-2-processes"


def arguments(given: list[str]) -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compactor", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument(
        "--rounds", type=int, nargs="+", help="alternating runs of each contender (5); one for each size"
    )
    parser.add_argument("--selectors", type=int, nargs="+", help="sizes (100000 1000000)")
    parser.add_argument("--mixed", type=int, help="records of the 95 %% unchanged mix in a round (300000)")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, help="who runs (all)")
    parser.add_argument("--bootstrap", default="", help="an existing Kafka instead of an own one")
    parser.add_argument("--no-outages", action="store_true", help="leave out restarts and kills")
    parser.add_argument("--output", type=Path, help="JSON file (benchmarks/results/compactor.json)")
    asked = parser.parse_args(given)
    asked.selectors = asked.selectors or ([3_000] if asked.quick else [100_000, 1_000_000])
    asked.rounds = asked.rounds or [1 if asked.quick else 5]
    if len(asked.rounds) == 1:
        asked.rounds *= len(asked.selectors)
    asked.mixed = asked.mixed or (3_000 if asked.quick else 300_000)
    asked.contenders = asked.contenders or list(CONTENDERS)
    asked.output = asked.output or RESULTS / ("compactor-quick.json" if asked.quick else "compactor.json")
    return asked


def main(given: list[str]) -> int:
    """Run it; 0: nobody failed, and all bounds asked for are met (a quick run has none)."""
    asked = arguments(given)
    work = Path(tempfile.mkdtemp(prefix="push-token-bench-"))
    kafka = None if asked.bootstrap else LocalKafka(work / "kafka", free_port(), heap_mb=1024)
    try:
        if kafka:
            kafka.start()
        document = measure(asked, Broker(kafka.bootstrap if kafka else asked.bootstrap), work)
    finally:
        if kafka:
            kafka.stop()
        shutil.rmtree(work, ignore_errors=True)
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    asked.output.with_suffix(".md").write_text(summary.markdown(document), encoding="utf-8")
    picture = asked.output.with_suffix(".png") if asked.quick else PICTURE
    draw(document, picture)
    say("\n" + "\n".join(summary.lines(document)) + f"\nwritten: {asked.output}, {picture}")
    missed = [entry for entry in _asked_for(document) if not entry["met"]]
    return 1 if document["failures"] or (missed and not asked.quick) else 0


def measure(asked: argparse.Namespace, broker: Broker, work: Path) -> dict[str, Any]:
    """Every size in turn, the outages at the largest; the result document."""
    contenders = [CONTENDERS[name] for name in asked.contenders]
    document: dict[str, Any] = {
        "machine": machine(),
        "contenders": {each.name: each.settings for each in contenders},
        "sizes": [],
        "outages": [],
        "failures": [],
        "memory": [],
    }
    for each in contenders:
        most = f" (timed on {each.most:,} records at most; rates are compared)" if each.most else ""
        say(f"{each.name}: {each.settings}{most}")
    for selectors, rounds in sorted(zip(asked.selectors, asked.rounds, strict=True)):
        plan = Plan(rounds=rounds, selectors=selectors, mixed=asked.mixed)
        course = Course(broker, contenders, plan, work, say)
        say(f"\n{selectors:,} selectors; load average {machine()['load_1m']}")
        try:
            course.load()
            document["sizes"].append(run_course(course, selectors))
            if selectors == max(asked.selectors) and course.kept(FULL) and not asked.no_outages:
                document["outages"] = outages(course, CONTENDERS[FULL], asked)
        finally:
            document["failures"] += course.failures
            course.close()
    document["memory"] = memory(document)
    broker.close()
    return document


def run_course(course: Course, selectors: int) -> dict[str, Any]:
    """Both mixes at one size."""
    new = summary.figures(course.new())
    mixed = summary.figures(course.mixed())
    return {
        "selectors": selectors,
        "rounds": course.plan.rounds,
        "new": {"figures": new, "ratios": summary.ratios(new, summary.NEW)},
        "mixed": {"figures": mixed, "ratios": summary.ratios(mixed, summary.MIXED)},
    }


def outages(course: Course, contender: Contender, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Restart with and without the local state, and the loss of one of two workers."""
    times = range(min(3, course.plan.rounds))
    settle = 5.0 if asked.quick else 60.0  # until the standby copies are filled
    planned: list[tuple[str, float | None, Callable[[], Outage]]] = [
        ("restart with local state", 10.0, lambda: restart(course, contender, keep_state=True)),
        ("restart without local state", None, lambda: restart(course, contender, keep_state=False)),
        ("kill -9 of one of two workers", 15.0, lambda: lose_one_of_two(course, contender, settle=settle)),
    ]
    if course.kept(BOTH_CORES):
        both = CONTENDERS[BOTH_CORES]
        name = "restart with local state, two processes"
        planned.append((name, 10.0, lambda: restart(course, both, keep_state=True)))
    found = []
    for what, bound, measured in planned:
        name = f"{what} at {course.plan.selectors:,} selectors"
        try:
            found.append(summary.outage(name, [measured() for _ in times], bound))
        except FailedError as error:
            course.failures.append(f"{name}: {error}")
    return found


def memory(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Peak memory of ours over all that was done at the largest size, restarts and losses included."""
    largest = document["sizes"][-1]
    found = []
    for name in (FULL, BOTH_CORES, "ours-memory"):
        peaks = [
            largest[mix]["figures"][name]["peak_mib"] for mix in ("new", "mixed") if name in largest[mix]["figures"]
        ]
        if name == FULL:
            peaks += [entry["peak_mib"] for entry in document["outages"] if "two processes" not in entry["what"]]
        if peaks:
            asked = None if name == "ours-memory" else MEMORY_MIB
            met = None if asked is None else max(peaks) < asked
            found.append({"of": name, "selectors": largest["selectors"], "mib": max(peaks), "asked": asked, "met": met})
    return found


def _asked_for(document: dict[str, Any]) -> list[dict[str, Any]]:
    ratios = [entry for size in document["sizes"] for mix in ("new", "mixed") for entry in size[mix]["ratios"]]
    return [entry for entry in (*ratios, *document["outages"], *document["memory"]) if entry["asked"] is not None]


def say(text: str) -> None:
    """Print at once, so that a long run shows where it is."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
