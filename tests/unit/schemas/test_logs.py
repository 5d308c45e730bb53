"""Logging: one line a record, JSON that can be read again."""

import json
import logging
import sys
from collections.abc import Iterator
from typing import Literal

import pytest

from schemas.logs import JsonFormatter, set_up
from schemas.records import Pair
from schemas.secret import Secret
from schemas.settings import Log


def line(message: str, *arguments: object, extra: dict[str, object] | None = None, fails: bool = False) -> str:
    record = logging.getLogger("a.b").makeRecord("a.b", logging.WARNING, "f", 1, message, arguments, None, extra=extra)
    if fails:
        try:
            raise ValueError("broken\nline")
        except ValueError:
            record.exc_info = sys.exc_info()
    return JsonFormatter("sink").format(record)


def test_a_record_is_one_json_line() -> None:
    text = line("took %d rows\nof %s", 5, "é", extra={"partition": 3}, fails=True)
    assert "\n" not in text
    found = json.loads(text)
    assert (
        found.items()
        >= {
            "level": "WARNING",
            "role": "sink",
            "logger": "a.b",
            "message": "took 5 rows\nof é",
            "partition": 3,
        }.items()
    )
    assert found["exception"].endswith("ValueError: broken\nline")


def test_secrets_and_tokens_are_masked_wherever_they_stand() -> None:
    text = line(
        "%s %r", Secret("hush-hush"), Pair("TOKENTEXT"), extra={"given": Secret("hush-hush"), "pair": Pair("TOKENTEXT")}
    )
    assert "hush" not in text and "TOKENTEXT" not in text


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("log", "shown", "hidden"),
    [
        (Log(level="WARNING"), '"message": "careful"', "detail"),
        (Log(level="INFO", format="text"), "WARNING compact x: careful", "{"),
    ],
)
def test_set_up_writes_to_standard_error(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str], log: Log, shown: str, hidden: str
) -> None:
    set_up(log, "compact")
    logging.getLogger("x").info("detail" if log.level == "WARNING" else "fine")
    logging.getLogger("x").warning("careful")
    out, err = capsys.readouterr()
    assert out == ""
    assert shown in err and hidden not in err
    assert len(root_logger.handlers) == 1


@pytest.mark.parametrize(("level", "heard"), [("INFO", False), ("DEBUG", True)])
def test_libraries_are_heard_at_debug_only(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str], level: Literal["INFO", "DEBUG"], heard: bool
) -> None:
    set_up(Log(level=level), "sink")
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # as clickhouse-connect does when it is imported
    logging.getLogger("urllib3.connectionpool").warning("retrying")
    logging.getLogger("aiokafka.conn").error("gone")
    logging.getLogger("processors.sink").info("mine")
    err = capsys.readouterr().err
    assert ("retrying" in err, "gone" in err, "mine" in err) == (heard, heard, True)
    assert root_logger.handlers
