"""The ingress beside a bare Starlette no-op, the straightforward Starlette handler and a Go one, in one run, by wrk.

python -m benchmarks.ingress            the whole, about 20 minutes
python -m benchmarks.ingress --quick    a smoke test of two minutes; its figures mean nothing
python -m benchmarks.ingress --contenders ours noop plain --connections 64 --partitions 2 --mix get --rounds 3
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from benchmarks.ingestion import summary, wrk
from benchmarks.ingestion.chart import draw
from benchmarks.ingestion.contender import CONTENDERS, GO
from benchmarks.ingestion.golang import NoGoError, build
from benchmarks.ingestion.race import Case, Run, Stage
from benchmarks.ingestion.topic import WrongWorkError
from benchmarks.machine import machine
from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port

Each = TypeVar("Each")

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results"
PICTURE: Final = ROOT / "docs" / "pictures" / "ingress.png"


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingress", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round; no bound is asked for")
    parser.add_argument("--rounds", type=int, help="alternating runs of each contender (5)")
    parser.add_argument("--seconds", type=int, help="of each load, whole ones (4)")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="who runs (all)")
    parser.add_argument("--connections", type=int, nargs="+", default=[64, 512], help="(64 512)")
    parser.add_argument("--partitions", type=int, nargs="+", default=[2, 8], help="(2 8)")
    parser.add_argument("--mix", nargs="+", choices=("get", "post"), default=["get", "post"], help="(get post)")
    parser.add_argument(
        "--output", type=Path, help="JSON file; tables (.md) and, but for a whole run, picture beside it"
    )
    asked = parser.parse_args(given)
    asked.rounds = asked.rounds or (1 if asked.quick else 5)
    asked.seconds = asked.seconds or (2 if asked.quick else 4)
    asked.whole = not asked.quick and not asked.output and is_whole(asked, parser)
    name = "ingress.json" if asked.whole else "ingress-quick.json"
    asked.output = asked.output or RESULTS / name
    return asked


def is_whole(asked: argparse.Namespace, parser: argparse.ArgumentParser) -> bool:
    """Whether nothing was left out: only such a run becomes the documentation's picture."""
    return all(
        sorted(getattr(asked, name)) == sorted(parser.get_default(name))
        for name in ("contenders", "connections", "partitions", "mix")
    )


def main(given: Sequence[str]) -> int:
    """Run it. 0: all bounds that could be looked at are met (a quick run has none); 1: one is missed, a contender did
    not do its work, or wrk cannot be had."""
    asked = arguments(given)
    work = Path(tempfile.mkdtemp(prefix="push-token-bench-"))
    kafka = LocalKafka(work / "kafka", free_port(), heap_mb=1024)
    try:
        tool = wrk.find(say)
        document: dict[str, Any] = {
            "machine": machine(),
            "wrk": tool.version(),
            "rounds": asked.rounds,
            "seconds": asked.seconds,
            "contenders": {name: CONTENDERS[name].settings for name in asked.contenders},
            "left_out": left_out(asked),
        }
        kafka.start()
        runs = measure(asked, Stage(kafka.bootstrap, tool, work))
    except (wrk.LoadError, WrongWorkError) as error:
        say(str(error))
        return 1
    finally:
        kafka.stop()
        shutil.rmtree(work, ignore_errors=True)
    return report(asked, document, runs)


def left_out(asked: argparse.Namespace) -> dict[str, str]:
    """Contenders that cannot run here, with the reason; they are taken out of `asked`."""
    found: dict[str, str] = {}
    if GO in asked.contenders:
        try:
            build()
        except NoGoError as error:
            found[GO] = str(error)
            say(f"without {GO}: {error}")
            asked.contenders = [name for name in asked.contenders if name != GO]
    return found


def measure(asked: argparse.Namespace, stage: Stage) -> list[Run]:
    """All rounds; in each another contender and another case is first.

    Raises:
        LoadError, WrongWorkError: as `Stage.race`.
    """
    cases = [Case(mix, connections) for mix in asked.mix for connections in asked.connections]
    runs: list[Run] = []
    for turn in range(asked.rounds):
        for partitions in asked.partitions:
            for name in turned(asked.contenders, turn):
                found = stage.race(CONTENDERS[name], partitions, turned(cases, turn), asked.seconds)
                rates = ", ".join(f"{run.mix} {run.connections}: {run.rate:,.0f}/s" for run in found)
                say(f"round {turn + 1}, {partitions} partitions, {name}: {rates}")
                runs += found
    return runs


def turned(things: Sequence[Each], turn: int) -> list[Each]:
    """The same, beginning elsewhere."""
    at = turn % len(things)
    return [*things[at:], *things[:at]]


def report(asked: argparse.Namespace, document: dict[str, Any], runs: Sequence[Run]) -> int:
    """Write and print what was found; the exit code."""
    figures = sorted(
        summary.figures(runs), key=lambda each: (each.partitions, each.mix, each.connections, _place(each.contender))
    )
    document |= {
        "figures": msgspec.to_builtins(figures),
        "ratios": summary.ratios(figures),
        "bounds": msgspec.to_builtins(summary.bounds(figures)),
        "runs": msgspec.to_builtins(runs),
    }
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = summary.markdown(document, figures)
    asked.output.with_suffix(".md").write_text(text, encoding="utf-8")
    picture = PICTURE if asked.whole else asked.output.with_suffix(".png")
    draw(document, figures, picture)
    say(f"\n{text}\nwritten: {asked.output}, {asked.output.with_suffix('.md').name}, {picture}")
    return 0 if asked.quick or all(bound.met for bound in summary.bounds(figures)) else 1


def _place(contender: str) -> int:
    return list(CONTENDERS).index(contender)


def say(text: str) -> None:
    """To people, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
