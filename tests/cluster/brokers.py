"""Three brokers of the embedded kind as one cluster: each a broker and a controller, replication factor 3, two of three
in sync for a write. Timeouts are Kafka's own defaults, so that the gaps measured are those of a real cluster."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from deploy.local.kafka import LocalKafka, new_cluster_id
from deploy.local.ports import free_port
from tests.gate_proxy import Gate, GateProxy
from tests.poll import until_async

NODES: Final = (1, 2, 3)
HEAP_MB: Final = 256
START_SECONDS: Final = 120.0  # three JVMs on two busy cores; 12 s on idle ones
IN_SYNC_SECONDS: Final = 90.0
STOP_SECONDS: Final = 40.0  # a controlled shutdown hands every leadership over first

REPLICATED: Final = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # As Kafka has them; the single embedded broker has shorter ones.
    "broker.session.timeout.ms": "9000",
    "broker.heartbeat.interval.ms": "2000",
    "group.initial.rebalance.delay.ms": "3000",
}

# A process dies with the thread that started it (deploy/local/tether.py), so that thread must outlive the tests.
_STARTER: Final = ThreadPoolExecutor(1)


def launch(start: Callable[[], None]) -> None:
    """Start a process from any thread; it lives on when that thread ends."""
    _STARTER.submit(start).result()


class Brokers:
    """The cluster. Methods block; `*_async` and what reads metadata are coroutines.

    Args:
        directory: for their data.
        proxied: every way to a broker and from a broker to a controller leads through a proxy that `cut` shuts.
    """

    def __init__(self, directory: Path, *, proxied: bool = False) -> None:
        self._clients = {number: GateProxy() for number in NODES} if proxied else {}
        self._controllers = {number: GateProxy() for number in NODES} if proxied else {}
        # From one node to another's controller. What a node says of where its own controller is comes on top.
        pairs = [(here, there) for here in NODES for there in NODES if here != there]
        self._pairs = {pair: GateProxy() for pair in pairs} if proxied else {}
        cluster = new_cluster_id()
        ports = {number: free_port() for number in NODES}
        controllers = {number: free_port() for number in NODES}
        self.nodes = {}
        for number in NODES:
            own = REPLICATED | self._quorum(number, controllers) | self._advertised(number)
            node = LocalKafka(
                directory / f"kafka{number}",
                ports[number],
                heap_mb=HEAP_MB,
                overrides=own,
                node_id=number,
                cluster=cluster,
            )
            node.controller_port = controllers[number]
            self.nodes[number] = node
        for number, proxy in self._clients.items():
            proxy.target = ports[number]
            self._controllers[number].target = controllers[number]
        for (_, there), proxy in self._pairs.items():
            proxy.target = controllers[there]

    @property
    def bootstrap(self) -> str:
        """Where clients find it: all three."""
        ports = [self._clients[at].port if self._clients else node.port for at, node in self.nodes.items()]
        return ",".join(f"127.0.0.1:{port}" for port in ports)

    def start(self) -> None:
        """Start all three and wait until each answers: two of three make the quorum."""
        with ThreadPoolExecutor(len(NODES)) as formatting:
            for _ in formatting.map(LocalKafka.prepare, self.nodes.values()):
                pass
        for node in self.nodes.values():
            launch(node.spawn)
        for node in self.nodes.values():
            node.wait_ready(START_SECONDS)

    def stop(self, number: int) -> None:
        """SIGTERM: it hands its leaderships over and ends."""
        assert self.nodes[number].stop(STOP_SECONDS), self.nodes[number].tail()

    def kill(self, number: int) -> None:
        """kill -9."""
        self.nodes[number].kill()

    def restart(self, number: int) -> None:
        """Start one again, and wait until it answers."""
        self.spawn(number)
        self.wait_ready(number)

    def spawn(self, number: int) -> None:
        """Start one again; does not wait (of two that were away, one alone never answers)."""
        launch(self.nodes[number].spawn)

    def wait_ready(self, number: int) -> None:
        """Wait until one answers."""
        self.nodes[number].wait_ready(START_SECONDS)

    def pause(self, number: int) -> None:
        """SIGSTOP: its connections stay, nothing is answered."""
        self._signal(number, signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """SIGCONT."""
        self._signal(number, signal.SIGCONT)

    def cut(self, number: int) -> None:
        """No byte comes to one node, or from it to another's controller, until `heal`; connections stay open."""
        self._gates(number, Gate.SWALLOWED)

    def heal(self, number: int) -> None:
        """The network is as it was."""
        self._gates(number, Gate.OPEN)

    def end(self) -> None:
        """kill -9 all of them, and remove their data."""
        for node in self.nodes.values():
            node.kill()
            shutil.rmtree(node.directory, ignore_errors=True)
        for proxy in (*self._clients.values(), *self._controllers.values(), *self._pairs.values()):
            proxy.close()

    async def leader_of(self, topic: str, partition: int) -> int:
        """The node that leads a partition."""
        (entry,) = await self._describe([topic])
        return int(next(found["leader"] for found in entry["partitions"] if found["partition"] == partition))

    async def coordinator_of(self, group: str) -> int:
        """The node that a consumer group's members speak to."""
        async with self._admin() as admin:
            return int(await admin.find_coordinator(group))

    async def configure(self, topic: str, config: dict[str, str]) -> None:
        """Give a topic exactly these configs."""
        async with self._admin() as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])

    async def wait_in_sync(self, seconds: float = IN_SYNC_SECONDS) -> None:
        """Wait until every partition of every topic, Kafka's own too, has a leader and all three replicas in sync."""

        async def in_sync() -> bool:
            return all(
                found["leader"] >= 0 and len(found["isr"]) == len(found["replicas"])
                for entry in await self._describe()
                for found in entry["partitions"]
            )

        await until_async(in_sync, "every replica is in sync", seconds, bearing=(KafkaError, OSError))

    async def replicas(self) -> dict[str, set[int]]:
        """How many replicas the partitions of each topic have."""
        return {
            entry["topic"]: {len(found["replicas"]) for found in entry["partitions"]}
            for entry in await self._describe()
        }

    async def _describe(self, topics: list[str] | None = None) -> list[Any]:
        async with self._admin() as admin:
            found: list[Any] = await admin.describe_topics(topics or await admin.list_topics())
            return found

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Any]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=3000)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()

    def _quorum(self, number: int, ports: dict[int, int]) -> dict[str, str]:
        def port(other: int) -> int:
            return self._pairs[number, other].port if self._pairs and other != number else ports[other]

        return {"controller.quorum.voters": ",".join(f"{other}@127.0.0.1:{port(other)}" for other in NODES)}

    def _advertised(self, number: int) -> dict[str, str]:
        if not self._clients:
            return {}
        client, controller = self._clients[number].port, self._controllers[number].port
        return {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}"}

    def _gates(self, number: int, gate: Gate) -> None:
        pairs = [proxy for pair, proxy in self._pairs.items() if number in pair]
        for proxy in (self._clients[number], self._controllers[number], *pairs):
            proxy.set(gate)

    def _signal(self, number: int, what: signal.Signals) -> None:
        pid = self.nodes[number].pid
        assert pid is not None
        os.kill(pid, what)


@contextmanager
def running_brokers(directory: Path, *, proxied: bool = False) -> Iterator[Brokers]:
    """A cluster that is gone at the end."""
    brokers = Brokers(directory, proxied=proxied)
    try:
        brokers.start()
        yield brokers
    finally:
        brokers.end()
