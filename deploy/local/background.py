"""Work in a thread beside the main one, which waits for it while it listens for signals."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818  (no error: what was asked for)
    """SIGINT, SIGTERM or SIGHUP came."""


class Signals:
    """Remembers that one of the signals that end `up` came. A second one sets `hurry`."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.hurry = threading.Event()

    def install(self) -> None:
        """Take the signals over; from the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._came)

    def pause(self, seconds: float) -> None:
        """Wait, at most until a signal comes.

        Raises:
            Stopped: one came.
        """
        if self.stop.wait(seconds):
            raise Stopped

    def _came(self, number: int, frame: FrameType | None) -> None:
        (self.hurry if self.stop.is_set() else self.stop).set()


class Task(Generic[T]):
    """One call in a daemon thread: a program that ends does not wait for it."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._done.is_set()

    def result(self) -> T:
        """What the call returned; raises what it raised. Only once `done`."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def join(self, deadline: float) -> bool:
        """Wait up to `deadline` seconds for its end; returns whether it has."""
        return self._done.wait(max(0.0, deadline))

    def _run(self) -> None:
        try:
            self._result.append(self._call())
        except BaseException as error:  # handed on by `result`
            self._error = error
        finally:
            self._done.set()


def deadline_in(seconds: float) -> float:
    """The moment `seconds` from now, on the monotonic clock."""
    return time.monotonic() + seconds
