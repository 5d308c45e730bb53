"""Who runs: ours as shipped with one and two workers, the straightforward ways in Python and Go, and a bare no-op."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks.ingestion.golang import build
from deploy.local.environment import environment
from deploy.local.process import Process, python_path
from schemas.settings import Settings
from schemas.topics import topics


class Contender(Struct, frozen=True):
    """A server to load.

    `settings`: what it is and with which settings, for people. `command`: its argument list. `writes`: whether what it
    answers with 200 must be in the topic. `processes`: how many it has at least once it has started.
    """

    name: str
    settings: str
    command: Callable[[Settings], list[str]]
    writes: bool = True
    processes: int = 1
    workers: int = 1

    def process(self, settings: Settings, log: Path) -> Process:
        """Its process, not started yet, with exactly these settings (ours reads them from its environment)."""
        chosen = msgspec.structs.replace(
            settings, ingest=msgspec.structs.replace(settings.ingest, workers=self.workers)
        )
        return Process(self.name, self.command(chosen), log, environment(chosen, os.environ) | python_path())


def _ours(settings: Settings) -> list[str]:
    return [sys.executable, "-m", "deploy.cli.main", "ingest"]


def _plain(settings: Settings) -> list[str]:
    return _module("plain", settings.bootstrap, topics(settings).reports.name, str(settings.ingest.port))


def _noop(settings: Settings) -> list[str]:
    return _module("noop", str(settings.ingest.port))


def _go(settings: Settings) -> list[str]:
    where = f"{settings.ingest.host}:{settings.ingest.port}"
    return [str(build()), settings.bootstrap, topics(settings).reports.name, where]


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.ingestion.{name}", *arguments]


NOOP: Final = "noop"
PLAIN: Final = "plain"
OURS: Final = "ours"
OURS_2: Final = "ours-2-workers"
GO: Final = "go"

CONTENDERS: Final = {
    each.name: each
    for each in (
        Contender(OURS, "`pushtokens ingest` as shipped, default settings, metrics on, one worker", _ours),
        Contender(OURS_2, "the same with `ingest.workers=2`", _ours, processes=3, workers=2),
        Contender(
            PLAIN, "Starlette `Route`, `Request`, `await producer.send_and_wait()`, acks=all, idempotent", _plain
        ),
        Contender(
            GO, "net/http, franz-go `ProduceSync`, acks=all, idempotent, no compression, no linger, all cores", _go
        ),
        Contender(NOOP, "Starlette `Route`, `Request`, answers at once: no Kafka, nothing done", _noop, writes=False),
    )
}
