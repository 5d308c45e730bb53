"""`pushtokens compact`: one role in the foreground, as production runs it."""

import argparse

from schemas.settings import Settings

HELP = "run the compactor: reports in, newest pair per selector out, and its lookup API"
EXAMPLES = """\
  PUSHTOKENS_KAFKA_BOOTSTRAP=kafka:9092 PUSHTOKENS_CLICKHOUSE_URL=http://clickhouse:8123 pushtokens compact
  PUSHTOKENS_LOOKUP_PORT=6066 pushtokens compact     (settings are variables, or in a TOML file)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: settings say it all."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the exit code is the role's."""
    from processors.compactor.role import run as run_role

    return run_role(settings)
