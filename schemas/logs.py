"""Logging of every role: one line a record on standard error, JSON or text. No push token or password may be logged."""

import json
import logging
import re
import sys
import traceback
from types import TracebackType
from typing import Final

from schemas.settings import Log

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

# Libraries that log a line, or a traceback with what they were asked to do, for each attempt while something is away.
# The roles say it once, in their own words and without anything that was reported.
_CHATTY: Final = ("aiokafka", "clickhouse_connect", "faust", "mode", "urllib3")
# What a terminal acts upon, or a reader takes for the end of a line; a line feed is dealt with by itself.
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_Caught = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Formatter(logging.Formatter):
    """What both forms have in common.

    With `texts` False an exception is shown by its type and where it was raised, without its own text, and of asyncio's
    messages only the first line: the rest describes objects. For a role whose exceptions may quote what a client sent.
    """

    def __init__(self, role: str, form: str | None = None, *, texts: bool = True) -> None:
        super().__init__(form)
        self._role = role
        self._texts = texts

    def formatException(self, ei: _Caught) -> str:  # noqa: N802 - logging's name
        """The traceback (never with local variables)."""
        if self._texts or ei[1] is None:
            return super().formatException(ei)
        found: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None and len(found) < 10:
            found += ["".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\nwhile handling:\n".join(found)

    def text_of(self, record: logging.LogRecord) -> str:
        """The message of a record."""
        text = record.getMessage()
        return text if self._texts or record.name != "asyncio" else text.partition("\n")[0]


class JsonFormatter(_Formatter):
    """One JSON object a line, in ASCII: `time`, `level`, `logger`, `message`, and whatever `extra=` names."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON text without a line break."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname,
            "role": self._role,
            "logger": record.name,
            "message": self.text_of(record),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(_Formatter):
    """A line to read, with `extra=` behind it as `name=value`. What follows on further lines is indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text in which no control character is left but its own line breaks."""
        head = f"{self.formatTime(record)} {record.levelname:<7} {self._role} {record.name}: {self.text_of(record)}"
        extra = [f" {name}={value}" for name, value in vars(record).items() if name not in _STANDARD]
        caught = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        text = head + "".join(extra) + caught
        return _CONTROL.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text).replace("\n", "\n    ")


def set_up(log: Log, role: str, *, texts: bool = True) -> None:
    """Send every logger's records to standard error in the form the settings name; called once by each role.

    Libraries are heard at level DEBUG only. `texts`: whether exceptions say their own text.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(role, texts=texts) if log.format == "json" else TextFormatter(role, texts=texts))
    if log.level != "DEBUG":
        # On the handler: some of these libraries set their loggers' levels themselves when they are imported.
        handler.addFilter(lambda record: record.name.partition(".")[0] not in _CHATTY)
    logging.basicConfig(level=log.level, handlers=[handler], force=True)
    # A record that cannot be formatted would be printed with its arguments.
    logging.raiseExceptions = False
    # Below INFO it logs whole requests and answers, with the tokens in them.
    logging.getLogger("aiokafka").setLevel(logging.INFO)
