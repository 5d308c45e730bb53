"""The embedded broker's `server.properties`, as a pure function. Names and defaults: Kafka 4.4's broker configs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct


class Node(Struct, frozen=True, kw_only=True):
    """One broker: where it listens (127.0.0.1 only), where it keeps its data, and which controller it follows.

    `controller_port` is its own controller's; `votes_for` (node id, port) names another node's controller instead, and
    the node is then a broker only (several brokers: fault tests).
    """

    node_id: int
    port: int
    controller_port: int
    data: Path
    votes_for: tuple[int, int] | None = None


def properties(node: Node, overrides: Mapping[str, str]) -> dict[str, str]:
    """The broker's properties (name to value); `overrides` win."""
    voter, voter_port = node.votes_for or (node.node_id, node.controller_port)
    listeners = [f"PLAINTEXT://127.0.0.1:{node.port}"]
    if node.votes_for is None:
        listeners.append(f"CONTROLLER://127.0.0.1:{node.controller_port}")
    return {
        "process.roles": "broker" if node.votes_for else "broker,controller",
        "node.id": str(node.node_id),
        "controller.quorum.voters": f"{voter}@127.0.0.1:{voter_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(listeners),
        "advertised.listeners": listeners[0],
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(node.data),
        **_SINGLE_NODE,
        **_SMALL_BOX,
        **overrides,
    }


def render(values: Mapping[str, str]) -> str:
    """As a Java properties file (java.util.Properties): backslashes doubled, one `name=value` a line."""
    return "".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in values.items())


# The broker's own log: warnings, and what the server itself reports; 30 MB at most.
LOG4J: Final = """\
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %p %m (%c)%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
logger.server.name=kafka.server
logger.server.level=info
"""

_SINGLE_NODE: Final = {
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",  # it waits for more members to join; here there are one or two
    # After kill -9 the next start waits until the dead broker's session is over (9 s by default).
    # 3 s is still far above any pause of this heap; a broker that misses it is fenced for a moment.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}

_SMALL_BOX: Final = {
    "offsets.topic.num.partitions": "4",  # 50 by default: 50 directories and open files for a handful of groups
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "num.network.threads": "2",  # two cores (design.md section 7)
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),  # 128 MiB by default, a quarter of our heap
}
