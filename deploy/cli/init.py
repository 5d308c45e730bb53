"""`pushtokens init`: topics and schema."""

import argparse
import asyncio
import sys
import time
from typing import Final

from deploy.init import InitError, init
from schemas.logs import set_up
from schemas.settings import Settings

HELP = "create the topics and the ClickHouse schema, or bring them up to date; safe to repeat"
EXAMPLES = """\
  PUSHTOKENS_KAFKA_BOOTSTRAP=kafka:9092 PUSHTOKENS_CLICKHOUSE_URL=http://clickhouse:8123 pushtokens init
  pushtokens init --wait 120     wait up to two minutes for both engines to answer"""

_PAUSE: Final = 1.0  # seconds between two tries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--wait`."""
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="keep trying while an engine does not answer"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit code 0: all is as it should be; 1: something is not (why is on standard error)."""
    set_up(settings.log, "init")
    end = time.monotonic() + arguments.wait
    while True:
        try:
            asyncio.run(init(settings))
        except InitError as error:
            if error.passing and time.monotonic() < end:
                time.sleep(_PAUSE)
                continue
            print(f"pushtokens init: {error}", file=sys.stderr)
            return 1
        print(f"Topics {settings.kafka.topic_prefix}.* and database {settings.clickhouse.database} are ready.")
        return 0
