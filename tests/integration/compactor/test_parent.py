"""The parent of a worker's processes: what it does when one ends, and with which exit code the worker does."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from processors.compactor import processes
from processors.compactor.processes import Processes
from schemas.settings import Compact, Settings
from tests.poll import until

FINAL = frozenset((2, 3))


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The parent sets its own signal handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def settings(directory: Path) -> Settings:
    return Settings(data_dir=str(directory), compact=Compact(processes=2))


def note(given: Settings) -> Path:
    """Say that a process is there; its directory is its own."""
    at = Path(given.data_dir) / f"run-{os.getpid()}"
    at.parent.mkdir(parents=True, exist_ok=True)
    at.touch()
    return at


def runs(directory: Path) -> int:
    """How many processes have said so."""
    return len(list(directory.rglob("run-*")))


def waits(given: Settings) -> int:
    """A process that works until SIGTERM."""
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    note(given)
    done.wait(60.0)
    return 0


def second_says_3(given: Settings) -> int:
    """One whose log was made again."""
    return 3 if "process-1" in given.data_dir else waits(given)


def second_dies(given: Settings) -> int:
    """One whose port is taken, say."""
    if "process-1" in given.data_dir:
        note(given)
        return 1
    return waits(given)


def test_a_final_exit_code_ends_the_worker(tmp_path: Path) -> None:
    assert Processes(settings(tmp_path), second_says_3, FINAL).run() == 3


def test_one_that_dies_again_and_again_ends_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "RESTART_SECONDS", 0.05)
    assert Processes(settings(tmp_path), second_dies, FINAL).run() == 1
    assert runs(tmp_path / "compactor") == processes.SOON_DEATHS


def test_killed_is_started_again_and_sigterm_drains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "RESTART_SECONDS", 0.05)
    worker = Processes(settings(tmp_path), waits, FINAL)
    failed: list[BaseException] = []

    def course() -> None:
        try:
            until(lambda: runs(tmp_path) == 2, "both are there")
            victim = worker._running[1].pid
            assert victim is not None
            os.kill(victim, signal.SIGKILL)
            until(lambda: runs(tmp_path) == 3, "one is started again")
        except BaseException as error:
            failed.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=course)
    thread.start()
    begun = time.monotonic()
    assert worker.run() == 0
    thread.join()
    assert failed == []
    assert time.monotonic() - begun < processes.GRACE_SECONDS


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Processes(settings(tmp_path), second_says_3, FINAL)
    start, refused = worker._start, 0

    def sometimes(number: int) -> None:
        nonlocal refused
        if number == 1 and refused < 3:
            refused += 1
            raise BlockingIOError("no process to be had")
        start(number)

    monkeypatch.setattr(worker, "_start", sometimes)
    assert worker.run() == 3
    assert refused == 3
