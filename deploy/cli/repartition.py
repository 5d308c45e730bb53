"""`pushtokens repartition`: moves to topics with more partitions."""

import argparse
import asyncio
import json
import sys
from typing import Final

import msgspec

from schemas.settings import Settings

HELP: Final = "move to topics with more partitions; state and the order of each selector's reports are kept"
EXAMPLES: Final = """\
  export PUSHTOKENS_KAFKA_TOPIC_PREFIX=push-token-2 PUSHTOKENS_PARTITIONS=32     (the new side, for what follows)
  pushtokens init
  pushtokens repartition --from-prefix push-token            what would be done; changes nothing
  pushtokens repartition --from-prefix push-token --yes      seal the old log, wait, copy the state
  pushtokens repartition --from-prefix push-token --unseal   take it back, before anything reports to the new side

  docs/repartition.md has the whole procedure. From the seal until an ingress with the new settings is ready, reports
  are answered 503 and sent again by the apps. Run again after any error, it goes on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own arguments."""
    parser.add_argument("--from-prefix", required=True, metavar="PREFIX", help="kafka.topic_prefix of the old topics")
    parser.add_argument("--yes", action="store_true", help="do it; without it, only look")
    parser.add_argument("--unseal", action="store_true", help="let the old log take reports again, and do nothing else")
    parser.add_argument("--no-sink", action="store_true", help="do not wait for the old side's sink")
    parser.add_argument(
        "--wait", type=float, default=600.0, metavar="SECONDS", help="for compactor and sink, then for their end"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Move, look or take back. Returns 0 when that is done; 1 when it is not (why is on standard error)."""
    from aiokafka.errors import KafkaError

    from deploy.barrier import UnfinishedError
    from deploy.cli.kafka import said
    from deploy.repartition.work import RepartitionError
    from processors.compactor.reset import ResetError
    from processors.compactor.shared import PartitionsError
    from processors.log_identity import TopicMissingError

    try:
        return asyncio.run(_run(arguments, settings))
    except (RepartitionError, UnfinishedError, TopicMissingError, PartitionsError, ResetError) as error:
        return _fail(str(error))
    except (KafkaError, OSError, TimeoutError) as error:
        return _fail(f"{said(settings, error)}. Run the same command again")


async def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from deploy.repartition.moving import obstacle
    from deploy.repartition.work import look, repartition, unseal

    old = arguments.from_prefix
    if arguments.unseal:
        await unseal(settings, old)
        print(f"{old}.reports takes reports again")
        return 0
    if not arguments.yes:
        sides = await look(settings, old)
        if reason := obstacle(sides):
            return _fail(reason)
        print(
            f"would seal {old}.reports{' (it is)' if sides.sealed else ''}, wait until compactor and sink have worked "
            f"it off, and copy {old}.latest and {old}.removals, {sides.old_partitions[0]} partitions, to "
            f"{sides.prefix}.*, {sides.partitions} partitions; --yes does it"
        )
        return 0
    say = (lambda _: None) if arguments.json else (lambda line: print(line, flush=True))
    moved = await repartition(settings, old, arguments.wait, say, sink=not arguments.no_sink)
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(moved, str_keys=True)))
    else:
        print(
            f"done: {moved.latest} records of latest and {moved.removals} of removals are on {moved.partitions} "
            "partitions; start the compactor and the sink with the new settings"
        )
    return 0


def _fail(text: str) -> int:
    print(f"pushtokens: {text}", file=sys.stderr)
    return 1
