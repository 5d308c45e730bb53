"""The role `compact`, in one process or several.

What a worker is made of (Faust, aiokafka, RocksDB: 80 MB) is imported by the processes that work, not by their parent.
"""

from collections.abc import Callable

from processors.compactor.exit_codes import WRONG, WRONG_LOG
from processors.compactor.processes import Processes
from schemas.kafka_client import client_options
from schemas.logs import set_up
from schemas.settings import Settings


def run(settings: Settings) -> int:
    """Run one worker, in as many processes as the settings say, until SIGTERM or SIGINT; returns the exit code.

    Raises:
        SettingsError: Kafka's certificate files cannot be used.
    """
    client_options(settings, "compact")
    if settings.compact.processes == 1:
        return run_one(settings)
    set_up(settings.log, "compact")
    return Processes(settings, run_one, frozenset((WRONG, WRONG_LOG))).run()


def run_one(settings: Settings) -> int:
    """Run one process of a worker until SIGTERM or SIGINT; returns the exit code."""
    return run_with(settings, _no_step)


def run_with(settings: Settings, step: Callable[[str], None]) -> int:
    """As `run_one`; `step` is told about every step of every batch (the fault suite kills the process there)."""
    from processors.compactor.worker import run_worker

    return run_worker(settings, step)


def _no_step(_name: str) -> None:
    return
