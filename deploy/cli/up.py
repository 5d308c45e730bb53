"""`pushtokens up`: the whole pipeline in the foreground."""

import argparse

from schemas.settings import Settings

HELP = "run the whole pipeline in the foreground: Kafka, ClickHouse and every role; Ctrl-C stops it"
EXAMPLES = """\
  pushtokens up
  PUSHTOKENS_INGEST_PORT=18080 PUSHTOKENS_DATA_DIR=/tmp/pipeline pushtokens up
  PUSHTOKENS_KAFKA_BOOTSTRAP=kafka:9092 pushtokens up      a Kafka of your own; ClickHouse still embedded"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: settings say it all."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit code 0: stopped when asked to; 1: could not start."""
    from deploy.local.up import run as run_up

    return run_up(settings)
