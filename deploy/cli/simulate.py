"""`pushtokens simulate`: a fleet that reports over real HTTP, and what became of its requests."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import IO, Any

import msgspec
import uvloop
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deploy.cli.kafka import said
from deploy.simulate.connection import Target
from deploy.simulate.driver import AbandonedError, Drive, Driver
from deploy.simulate.fleet import Plan, requests
from deploy.simulate.kafka_check import KafkaCheck
from deploy.simulate.ledger import Ledger
from deploy.simulate.reach import CannotStartError, reach, where_of
from deploy.simulate.request import Request
from deploy.simulate.summary import text
from deploy.simulate.tally import Tally
from deploy.simulate.trust import context
from schemas.settings import Settings

HELP = "play a fleet of phones against the ingress"
EXAMPLES = """\
  pushtokens simulate                                       2,000 phones, 10,000 requests, as fast as they are answered
  pushtokens simulate --accounts 20000 --reports 100000 --kafka-check
  pushtokens simulate --rate 50 --seed 7                    a day compressed so that 50 requests/s come on average
  pushtokens simulate --url http://127.0.0.1:18080 --json   counts as JSON
  pushtokens simulate --url https://push.example.net --ca ca.pem

Exit code 0: every request was accepted, or refused as a broken one should be. The same seed plays the same day."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--accounts", type=_positive, default=2_000, metavar="N", help="phones (default 2000)")
    add("--reports", type=_positive, default=10_000, metavar="M", help="requests in all (default 10000)")
    add("--seed", type=int, default=1, metavar="S", help="the same seed plays the same day (default 1)")
    add("--rate", type=_rate, default=0.0, metavar="R", help="requests/s on average (default: as fast as possible)")
    add("--concurrency", type=_positive, default=64, metavar="C", help="connections (default 64)")
    add("--attempts", type=_positive, default=8, metavar="A", help="times a phone tries when told to wait (default 8)")
    add(
        "--patience",
        type=float,
        default=120.0,
        metavar="T",
        help="s of nothing but silence or 503 to bear (default 120)",
    )
    add("--url", metavar="U", help="the ingress (default: that of the settings on this machine, with its TLS)")
    add(
        "--ca",
        metavar="FILE",
        help="with https: whose certificates to believe, PEM (default: the system's authorities)",
    )
    add("--record", metavar="FILE", help="write each accepted request to FILE as a JSON line; marks User-Agents")
    add("--kafka-check", action="store_true", help="then check that each 200 is in the topic once; marks User-Agents")
    add("--json", action="store_true", help="print the counts as JSON")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Play the day. Returns 0, or 1 when anything went another way than it should, 2 for a target that is none."""
    try:
        where = where_of(arguments.url, arguments.ca, settings.ingest)
        context(where)
        with _opened(arguments.record) as record:
            return _play(arguments, settings, where, record)
    except (ValueError, OSError) as error:
        print(f"pushtokens simulate: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _play(arguments: argparse.Namespace, settings: Settings, where: Target, record: IO[bytes] | None) -> int:
    tally, ledger = Tally(), Ledger(arguments.reports, record)
    report: dict[str, Any] = {name: getattr(arguments, name) for name in ("accounts", "reports", "seed")}
    began = perf_counter()
    try:
        uvloop.run(_day(arguments, settings, where, tally, ledger, report))
    except CannotStartError as error:
        print(f"pushtokens simulate: {error}", file=sys.stderr)
        return 1
    except (KafkaError, TimeoutError) as error:
        print(f"pushtokens simulate: {said(settings, error)}", file=sys.stderr)
        return 1
    except AbandonedError as error:
        report["broken_off"] = str(error)
    except KeyboardInterrupt:
        report["interrupted"] = True
    report["seconds"] = round(report.get("seconds", perf_counter() - began), 3)
    report["per_second"] = round(tally.done / max(report["seconds"], 0.001), 1)
    report.update(tally.summary())
    print(json.dumps(report, indent=2) if arguments.json else text(report))
    if report.get("interrupted"):
        return 130
    whole = tally.as_expected and "broken_off" not in report
    return 0 if whole and report.get("kafka_check", {}).get("holds", True) else 1


async def _day(
    arguments: argparse.Namespace,
    settings: Settings,
    where: Target,
    tally: Tally,
    ledger: Ledger,
    report: dict[str, Any],
) -> None:
    await reach(where)
    check = None
    if arguments.kafka_check:
        check = KafkaCheck(settings, arguments.seed)
        await check.before()
    marked = check is not None or arguments.record is not None
    plan = Plan(accounts=arguments.accounts, reports=arguments.reports, seed=arguments.seed, marked=marked)
    drive = Drive(
        target=where,
        total=plan.reports,
        rate=arguments.rate,
        concurrency=arguments.concurrency,
        attempts=arguments.attempts,
        patience=arguments.patience,
        seed=plan.seed,
    )
    began = perf_counter()
    with _progress(plan.reports, tally) as shown:
        await Driver(drive, tally, ledger).run(shown(requests(plan)))
    report["seconds"] = perf_counter() - began
    if check is not None:
        finding = await check.after(ledger)
        report["kafka_check"] = {**msgspec.structs.asdict(finding), "holds": finding.holds}


@contextlib.contextmanager
def _progress(total: int, tally: Tally) -> Iterator[Any]:
    """A bar on standard error while requests are handed out; yields a wrapper for the stream of requests."""
    bar = Progress(
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    began = perf_counter()
    task = bar.add_task("", total=total, rate=0.0)

    def update() -> None:
        bar.update(task, completed=tally.done, rate=tally.done / max(perf_counter() - began, 0.001))

    def shown(stream: Iterator[Request]) -> Iterator[Request]:
        for number, request in enumerate(stream):
            if number % 256 == 0:
                update()
            yield request

    with bar:
        yield shown
        update()


@contextlib.contextmanager
def _opened(path: str | None) -> Iterator[IO[bytes] | None]:
    if path is None:
        yield None
        return
    with Path(path).open("wb") as file:
        yield file


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return value
