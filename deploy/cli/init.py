"""`pushtokens init`: topics and schema."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from deploy.init import InitError, change_configs, init, plan
from deploy.plan import Step, code_of
from schemas.logs import set_up
from schemas.settings import Settings

HELP = "create the topics and the ClickHouse schema, or bring them up to date; destroys nothing; safe to repeat"
EXAMPLES = """\
  PUSHTOKENS_KAFKA_BOOTSTRAP=kafka:9092 PUSHTOKENS_CLICKHOUSE_URL=http://clickhouse:8123 pushtokens init
  pushtokens init --wait 120            wait up to two minutes for both engines to answer
  pushtokens init --dry-run --json      what is there, what would be done, what differs; changes nothing
  pushtokens init --change-configs      set topic configs that differ to what the settings say

exit codes: 0 done; 1 an engine does not answer, or something is wrong; of --dry-run: 0 all is as the settings say,
4 there is something to create or change, 5 something differs or is wrong and stays so"""

_PAUSE: Final = 1.0  # seconds between two tries
_SIGNS: Final = {"ok": "ok     ", "create": "create ", "change": "change ", "differs": "DIFFERS", "wrong": "WRONG  "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--wait`, `--dry-run`, `--json`, `--change-configs`."""
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="keep trying while an engine does not answer"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--json", action="store_true", help="with --dry-run: one JSON document, a list of steps")
    parser.add_argument(
        "--change-configs", action="store_true", help="change configs of existing topics that differ from the settings"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """The exit code, as `EXAMPLES` says; why is on standard error."""
    set_up(settings.log, "init")
    end = time.monotonic() + arguments.wait
    try:
        steps = _patiently(lambda: plan(settings, change=arguments.change_configs), end)
        if arguments.dry_run:
            _show(steps, as_json=arguments.json)
            return code_of(steps)
        if arguments.change_configs:
            _patiently(lambda: change_configs(settings), end)
        _patiently(lambda: init(settings), end)
    except InitError as error:
        if arguments.dry_run and not arguments.json:
            _show(error.steps)
            sys.stdout.flush()
        print(f"pushtokens init: {error}", file=sys.stderr)
        return 1
    _show([step for step in steps if step.verdict in ("change", "differs")])
    print(f"Topics {settings.kafka.topic_prefix}.* and database {settings.clickhouse.database} are ready.")
    return 0


def _patiently(work: Any, end: float) -> Any:
    """What `work` (a coroutine function) comes to; again until `end` (monotonic) while an engine does not answer."""
    while True:
        try:
            return asyncio.run(work())
        except InitError as error:
            if not error.passing or time.monotonic() >= end:
                raise
        time.sleep(_PAUSE)


def _show(steps: Sequence[Step], *, as_json: bool = False) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(steps), indent=2).decode() + "\n")
        return
    for step in steps:
        print(f"{_SIGNS[step.verdict]}  {step.what} {step.name}: {step.detail}")
