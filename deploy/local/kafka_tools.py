"""Kafka's own server and command-line tools, run from the embedded jars: what a distribution has in `bin/`."""

from collections.abc import Sequence
from typing import Final

from deploy.local import java
from deploy.local.jars import Progress, ensure, jars_dir
from schemas.settings import Settings

_TOOLS: Final = "org.apache.kafka.tools."
_TOOL_HEAP_MB: Final = 256  # Kafka's own default for tools

# Name to main class; `topics` is `kafka-topics.sh`, and so on.
TOOLS: Final[dict[str, str]] = {
    "server": "kafka.Kafka",
    "storage": "kafka.tools.StorageTool",
    "acls": _TOOLS + "AclCommand",
    "broker-api-versions": _TOOLS + "BrokerApiVersionsCommand",
    "configs": _TOOLS + "ConfigCommand",
    "console-consumer": _TOOLS + "consumer.ConsoleConsumer",
    "consumer-groups": _TOOLS + "consumer.group.ConsumerGroupCommand",
    "delete-records": _TOOLS + "DeleteRecordsCommand",
    "features": _TOOLS + "FeatureCommand",
    "leader-election": _TOOLS + "LeaderElectionCommand",
    "log-dirs": _TOOLS + "LogDirsCommand",
    "metadata-quorum": _TOOLS + "MetadataQuorumCommand",
    "reassign-partitions": _TOOLS + "reassign.ReassignPartitionsCommand",
    "topics": _TOOLS + "TopicCommand",
    "transactions": _TOOLS + "TransactionsCommand",
}


def command(
    tool: str, arguments: Sequence[str], settings: Settings, progress: Progress = lambda done, total: None
) -> list[str]:
    """The argument list that runs one of `TOOLS`, whose jars are fetched first if need be.

    Raises:
        JarsError: the jars are not to be had.
        ModuleNotFoundError: the extra `local` is not installed.
    """
    java.java()  # before anything is fetched
    jars = jars_dir(settings.local.cache_dir)
    ensure(jars, progress)
    server = tool == "server"
    heap = settings.local.kafka_heap_mb if server else _TOOL_HEAP_MB
    # Log4j's own default writes to standard output: a server's warnings belong there, a tool's only hide its answer.
    level = "WARN" if server else "OFF"
    options = ("--enable-native-access=ALL-UNNAMED", f"-Dorg.apache.logging.log4j.level={level}")
    return [*java.kafka_command(jars, heap, *options), TOOLS[tool], *arguments]
