"""`pushtokens ingest`: one role in the foreground, as production runs it."""

import argparse

from schemas.settings import Settings

HELP = "run the public HTTP endpoint: app reports in, Kafka out"
EXAMPLES = """\
  PUSHTOKENS_KAFKA_BOOTSTRAP=kafka:9092 PUSHTOKENS_CLICKHOUSE_URL=http://clickhouse:8123 pushtokens ingest
  PUSHTOKENS_INGEST_PORT=8080 pushtokens ingest     (settings are variables, or in a TOML file)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: settings say it all."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the exit code is the role's."""
    from ingest.role import run as run_role

    return run_role(settings)
