"""One measured run: start a contender over topics of its own, load it case by case, stop it, and check its work."""

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.ingestion import topic
from benchmarks.ingestion.contender import Contender
from benchmarks.ingestion.usage import usage, wait_until_quiet
from benchmarks.ingestion.wrk import LoadError, Mix, Wrk
from deploy.local.ports import free_port
from deploy.local.process import Process
from schemas.settings import Ingest, Kafka, Log, Settings

_START_SECONDS: Final = 60.0
_WARM_SECONDS: Final = 1
_PROBE: Final = (
    b"GET /token/?username=johndow&selector=%040X:7C3A0D14"
    b"&token_msgs=QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J&appid_msgs=com.cloudsoftphone.app&token_calls=Udl99X2JFP1bWwS5gR%%2FwGeLE1hmAB2CMpr1Ej0wxkrY%%3D"
    b"&appid_calls=com.cloudsoftphone.app.pushkit HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"
    b"User-Agent: CloudSoftphone/1.5.6\r\n\r\n"
)


class Case(Struct, frozen=True):
    """What is sent, over how many connections."""

    mix: Mix
    connections: int


class Run(Struct, frozen=True, kw_only=True):
    """What one load of one server showed, times in ms.

    `cpu_us`: its processor time (all its processes) for a report that it accepted. `peaks_mib`: peak resident memory of
    each of its processes until then, largest first.
    """

    contender: str
    partitions: int
    mix: Mix
    connections: int
    requests: int
    rate: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    longest_ms: float
    cpu_us: float
    peaks_mib: tuple[float, ...]


class Stage:
    """Kafka and wrk, for all runs."""

    def __init__(self, bootstrap: str, wrk: Wrk, logs: Path) -> None:
        self._bootstrap, self._wrk, self._logs = bootstrap, wrk, logs
        self._number = 0

    def settings(self, partitions: int) -> Settings:
        """Default settings with topics and a port of their own."""
        return Settings(
            partitions=partitions,
            replication_factor=1,
            kafka=Kafka(bootstrap=self._bootstrap, topic_prefix=f"b{os.getpid()}-{time.time_ns()}"),
            ingest=Ingest(host="127.0.0.1", port=free_port()),
            log=Log(level="WARNING"),
        )

    def race(self, contender: Contender, partitions: int, cases: Sequence[Case], seconds: int) -> list[Run]:
        """Start it, load every case for `seconds` after a warm-up, stop it, and look into the topic.

        Raises:
            LoadError: it did not start, or answered something else than 200, or not in time.
            WrongWorkError: its topic does not hold what it answered for.
        """
        settings = self.settings(partitions)
        topic.create(settings)
        server = contender.process(settings, self._logs / f"{settings.kafka.topic_prefix}.log")
        runs: list[Run] = []
        answered = most = 0
        try:
            server.start()
            probes = wait_for(server, settings.ingest.port)
            assert server.pid is not None
            wait_until_quiet(server.pid, contender.processes)
            for number, case in enumerate([cases[0], *cases]):
                run = self._load(contender, server, settings, case, seconds if number else _WARM_SECONDS)
                answered, most = answered + run.requests, most + run.requests + case.connections
                runs += [run] if number else []
        except (LoadError, TimeoutError) as error:
            raise LoadError(f"{contender.name}, {partitions} partitions: {error}\n{server.tail()}") from None
        finally:
            in_time = server.stop(25.0)
        if not in_time:
            raise LoadError(f"{contender.name} did not stop within 25 s")
        if contender.writes:
            topic.check(settings, answered + 1, most + probes)
        topic.delete(settings)
        return runs

    def _load(self, contender: Contender, server: Process, settings: Settings, case: Case, seconds: int) -> Run:
        assert server.pid is not None
        self._number += 1
        before = usage(server.pid)
        load = self._wrk.run(settings.ingest.port, case.mix, case.connections, seconds, self._number)
        after = usage(server.pid)
        server.check()
        return Run(
            contender=contender.name,
            partitions=settings.partition_count,
            mix=case.mix,
            connections=case.connections,
            requests=load.requests,
            rate=load.rate,
            p50_ms=load.p50 / 1000,
            p99_ms=load.p99 / 1000,
            p999_ms=load.p999 / 1000,
            longest_ms=load.longest / 1000,
            cpu_us=(after.cpu_seconds - before.cpu_seconds) / load.requests * 1e6,
            peaks_mib=after.peaks_mib,
        )


def wait_for(server: Process, port: int) -> int:
    """Wait until a report is accepted; returns how many were sent for that (the last was accepted).

    Raises:
        LoadError: the server ended, or accepts none within a minute.
    """
    until = time.monotonic() + _START_SECONDS
    tries = 0
    while server.running and time.monotonic() < until:
        tries += 1
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(_PROBE % tries)
            if connection.recv(1000).startswith(b"HTTP/1.1 200 "):
                return tries
        time.sleep(0.05)
    raise LoadError("the server does not accept reports")
