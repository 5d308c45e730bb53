"""The ways in which Kafka is away, each with its own beginning and end, in front of a broker or two of a test's own."""

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from tests.engines import START_SECONDS, running_kafka
from tests.gate_proxy import Gate, GateProxy

# An engine dies with the thread that started it, so that thread must outlive the tests.
_STARTER: Final = ThreadPoolExecutor(1)


def restart(broker: LocalKafka) -> None:
    """Start a broker from any thread; it lives on when that thread ends."""
    _STARTER.submit(broker.start, START_SECONDS).result()


def send(broker: LocalKafka, number: int) -> None:
    """Send a signal to a broker."""
    assert broker.pid is not None
    os.kill(broker.pid, number)


class Outage(ABC):
    """Kafka at `bootstrap`, and one way in which it goes away (`begin`) and comes back (`end`). Both may block."""

    bootstrap: str
    part = False  # only some partitions are away
    flickers = False  # in between, reports may be confirmed

    @abstractmethod
    def begin(self) -> None:
        """Kafka goes away."""

    @abstractmethod
    def end(self) -> None:
        """Kafka is back: returns when it answers."""


class Killed(Outage):
    """kill -9; back with the same data."""

    def __init__(self, broker: LocalKafka) -> None:
        self.bootstrap = broker.bootstrap
        self._broker = broker

    def begin(self) -> None:
        self._broker.kill()

    def end(self) -> None:
        restart(self._broker)


class Frozen(Outage):
    """SIGSTOP: connections stay open, and what was sent is done when it goes on."""

    def __init__(self, broker: LocalKafka) -> None:
        self.bootstrap = broker.bootstrap
        self._broker = broker

    def begin(self) -> None:
        send(self._broker, signal.SIGSTOP)

    def end(self) -> None:
        send(self._broker, signal.SIGCONT)


class Gated(Outage):
    """A broker whose clients all come through a proxy (it is the address that the broker advertises)."""

    def __init__(self, proxy: GateProxy, gate: Gate) -> None:
        self.bootstrap = f"127.0.0.1:{proxy.port}"
        self.proxy = proxy
        self.flickers = gate is Gate.LOSSY
        self._gate = gate

    def begin(self) -> None:
        self.proxy.set(self._gate)

    def end(self) -> None:
        self.proxy.set(Gate.OPEN)


class Leaderless(Outage):
    """Of two brokers the second is killed: its partitions, of one replica, have no leader until it is back."""

    part = True

    def __init__(self, first: LocalKafka, second: LocalKafka) -> None:
        self.bootstrap = first.bootstrap
        self._second = second

    def begin(self) -> None:
        self._second.kill()

    def end(self) -> None:
        restart(self._second)


GATES: Final = {
    "refused": Gate.REFUSED,
    "swallowed": Gate.SWALLOWED,
    "deaf": Gate.DEAF,
    "lossy": Gate.LOSSY,
}
KINDS: Final = ("killed", "frozen", *GATES, "leaderless")


@contextmanager
def kafka_with(kind: str, directory: Path, seed: int = 0) -> Iterator[Outage]:
    """A Kafka of the test's own that can go away in the way `kind`, one of `KINDS`."""
    with ExitStack() as stack:
        if kind in GATES:
            proxy = GateProxy(seed=seed)
            stack.callback(proxy.close)
            advertised = {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}
            broker = stack.enter_context(running_kafka(directory / "kafka", advertised))
            proxy.target = broker.port
            yield Gated(proxy, GATES[kind])
            return
        broker = stack.enter_context(running_kafka(directory / "kafka"))
        if kind == "leaderless":
            second = LocalKafka(directory / "second", free_port(), node_id=2, follows=broker)
            stack.callback(second.kill)
            second.start(START_SECONDS)
            yield Leaderless(broker, second)
        elif kind == "killed":
            yield Killed(broker)
        else:
            assert kind == "frozen"
            yield Frozen(broker)
