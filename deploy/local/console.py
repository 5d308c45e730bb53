"""What `up` shows: lines that stay, and one live line below them (without a terminal: plain lines now and then)."""

import threading
import time
from typing import TextIO


class Console:
    """Writes to `out`, from any thread. A reader that goes away (a closed pipe) ends the output, not the program."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._shown = ""
        self._told = ""
        self._told_at = float("-inf")
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Lines that stay."""
        with self._lock:
            self._write(f"{self._clear()}{text}\n{self._shown}")

    def status(self, text: str, *, every: float = 0.0) -> None:
        """The live line; without a terminal it is written when `every` seconds have passed and it has changed."""
        with self._lock:
            self._status(text, every)

    def _status(self, text: str, every: float) -> None:
        if self._live:
            shown = _fit(text)
            if shown != self._shown:
                self._write(self._clear() + shown)
                self._shown = shown
        elif text != self._told and time.monotonic() - self._told_at >= every:
            self._told, self._told_at = text, time.monotonic()
            self._write(text + "\n")

    def done(self) -> None:
        """Take the live line away."""
        with self._lock:
            self._write(self._clear())
            self._shown = ""

    def _clear(self) -> str:
        return "\r\x1b[K" if self._shown else ""

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            self._live = False


def _fit(text: str) -> str:
    """Cut to the terminal's width: a longer line would wrap and could not be taken away again."""
    import shutil

    width = shutil.get_terminal_size().columns - 1
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
