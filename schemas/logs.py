"""Logging of every role: one line a record on standard error, JSON or text. No push token or password may be logged."""

import json
import logging
import sys
from typing import Final

from schemas.settings import Log

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

# Libraries that log a line, or a traceback with what they were asked to do, for each attempt while something is away.
# The roles say it once, in their own words and without anything that was reported.
_CHATTY: Final = ("aiokafka", "clickhouse_connect", "faust", "mode", "urllib3")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and whatever `extra=` names."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON text without a line break."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname,
            "role": self._role,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(log: Log, role: str) -> None:
    """Send every logger's records to standard error in the form the settings name; called once by each role.

    Libraries are heard at level DEBUG only.
    """
    handler = logging.StreamHandler(sys.stderr)
    if log.format == "json":
        handler.setFormatter(JsonFormatter(role))
    else:
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)-7s {role} %(name)s: %(message)s"))
    if log.level != "DEBUG":
        # On the handler: some of these libraries set their loggers' levels themselves when they are imported.
        handler.addFilter(lambda record: record.name.partition(".")[0] not in _CHATTY)
    logging.basicConfig(level=log.level, handlers=[handler], force=True)
    # Below INFO it logs whole requests and answers, with the tokens in them.
    logging.getLogger("aiokafka").setLevel(logging.INFO)
