"""`pushtokens adopt-log`: go on after topic `reports` was deleted and made again."""

import argparse
import sys
from typing import Final

from schemas.settings import Settings

HELP: Final = "accept topic reports as it is now, after it was deleted and made again"
EXAMPLES: Final = """\
  pushtokens adopt-log        (stop every `pushtokens compact` and `pushtokens sink` first, start them again afterwards)

  The newest pairs known so far stay; the new log is read from its beginning."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: settings say it all."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Move the offsets that belong to another log. Returns 0, or 1 when that is not possible now."""
    from aiokafka.errors import KafkaError

    from deploy.cli.kafka import run_within, said
    from processors.compactor.reset import ResetError, adopt
    from processors.compactor.shared import PartitionsError
    from processors.log_identity import TopicMissingError
    from processors.sink.adopt import adopt as adopt_in_sink

    try:
        lines = run_within(adopt(settings)) + run_within(adopt_in_sink(settings))
    except (ResetError, TopicMissingError, PartitionsError) as error:
        print(f"pushtokens: {error}", file=sys.stderr)
        return 1
    except (KafkaError, OSError, TimeoutError) as error:
        print(f"pushtokens: {said(settings, error)}. Run the same command again", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0
