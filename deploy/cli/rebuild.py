"""`pushtokens rebuild`: has the compactor's table made again from `latest` and the retained reports."""

import argparse
import sys
from typing import Final

from schemas.settings import Settings

HELP: Final = "have the table made again: from topic latest, then every retained report once more"
EXAMPLES: Final = """\
  pushtokens rebuild          (stop every `pushtokens compact` first, start them again afterwards)

  No selector is dropped whose reports have expired, none comes back that was removed. Lookups answer meanwhile;
  while a partition has not reached what it had before, an unknown selector gets 503 instead of 404."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: settings say it all."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Move the offsets to the start of the log. Returns 0, or 1 when that is not possible now."""
    from aiokafka.errors import KafkaError

    from deploy.cli.kafka import run_within, said
    from processors.compactor.reset import ResetError, rebuild
    from processors.compactor.shared import PartitionsError
    from processors.log_identity import TopicMissingError

    try:
        lines = run_within(rebuild(settings))
    except (ResetError, TopicMissingError, PartitionsError) as error:
        print(f"pushtokens: {error}", file=sys.stderr)
        return 1
    except (KafkaError, OSError, TimeoutError) as error:
        print(f"pushtokens: {said(settings, error)}. Run the same command again", file=sys.stderr)
        return 1
    print("\n".join(lines))
    print("Start the workers again: they read the table in and replay the retained reports.")
    return 0
