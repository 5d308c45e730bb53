"""`pushtokens sink`: one role in the foreground, as production runs it."""

import argparse

from schemas.settings import Settings

HELP = "run the sink: reports into ClickHouse, exactly once"
EXAMPLES = """\
  PUSHTOKENS_KAFKA_BOOTSTRAP=kafka:9092 PUSHTOKENS_CLICKHOUSE_URL=http://clickhouse:8123 pushtokens sink
  PUSHTOKENS_SINK_PORT=8090 pushtokens sink     (settings are variables, or in a TOML file)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: settings say it all."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the exit code is the role's."""
    from processors.sink.role import run as run_role

    return run_role(settings)
