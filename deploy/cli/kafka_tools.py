"""`pushtokens kafka`: Kafka's own server and tools, where there is no Kafka distribution."""

import argparse
import os
import sys
from typing import Final

from deploy.local.kafka_tools import TOOLS, command
from schemas.settings import Settings

HELP: Final = "run Kafka's own server and command-line tools, from the jars that `up` uses"
EXAMPLES: Final = """\
  pushtokens kafka topics --bootstrap-server 127.0.0.1:9092 --describe      what Kafka's manual calls kafka-topics.sh
  pushtokens kafka storage random-uuid
  pushtokens kafka server /etc/kafka/server.properties                      a broker in the foreground

Everything after the tool's name is the tool's own; without any it says what it takes. Of our settings only
local.cache_dir and, for `server`, local.kafka_heap_mb count: how to reach Kafka is said in the tool's own words."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The tool, and what it is given."""
    parser.add_argument("tool", choices=TOOLS, metavar="TOOL", help=", ".join(TOOLS))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="the tool's own arguments")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """The tool takes this process's place, so its exit code is the tool's; 1: there is no Java or no jar."""
    from deploy.local.jars import JarsError

    try:
        words = command(arguments.tool, arguments.arguments, settings)
    except JarsError as error:
        print(f"pushtokens kafka: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError:
        print("pushtokens kafka: not installed here: pip install 'push-token-pipeline[local]'", file=sys.stderr)
        return 1
    sys.stdout.flush()
    # One process, so a signal meant for the server reaches it, and no return from here.
    return os.execv(words[0], words)  # noqa: S606  (no shell is the point)
