"""Logging: one line a record, JSON that can be read again."""

import json
import logging
import sys
from collections.abc import Iterator
from typing import Literal

import pytest

from schemas.logs import JsonFormatter, TextFormatter, set_up
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


HOSTILE = 'a"\r\n{"level": "ERROR"}\x1b[31m\x00\x7f\x85\u2028\ud800é'


def test_what_was_said_cannot_forge_a_line() -> None:
    """Neither form lets a line break, a terminal's control sequence or half a surrogate pair through."""
    text = line("%s", HOSTILE, extra={"given": HOSTILE})
    assert text.isascii() and text.isprintable()
    assert json.loads(text)["message"] == json.loads(text)["given"] == HOSTILE
    record = logging.makeLogRecord({"name": "a", "msg": HOSTILE, "levelname": "INFO", "given": HOSTILE})
    shown = TextFormatter("sink").format(record)
    shown.encode()
    first, *rest = shown.split("\n")
    assert first.isprintable() and all(more.startswith("    ") and more.isprintable() for more in rest)
    assert "given=" in shown


def fail(text: str) -> None:
    try:
        raise KeyError(text)
    except KeyError as error:
        raise ValueError(f"about {text}") from error


@pytest.mark.parametrize("form", [JsonFormatter, TextFormatter])
def test_exceptions_without_their_texts(form: type[JsonFormatter] | type[TextFormatter]) -> None:
    """Type and place are said, causes too; what the exception says is not, nor what asyncio says of objects."""
    said = "".join(("TOKEN", "TEXT"))  # a traceback shows lines of the source
    try:
        fail(said)
    except ValueError:
        record = logging.makeLogRecord({"name": "asyncio", "exc_info": sys.exc_info()})
    record.msg = f"Task exception was never retrieved\nfuture: <Task exception=KeyError({said})>"
    shown = form("ingest", texts=False).format(record)
    assert said not in shown
    assert all(word in shown for word in ("never retrieved", "ValueError", "KeyError", "test_logs.py", "in fail"))
    assert said in form("ingest").format(record)


def test_a_record_that_cannot_be_formatted_is_not_dumped(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", True)
    set_up(Log(), "ingest")
    logging.getLogger("x").warning("%d", "TOKENTEXT")
    assert capsys.readouterr().err == ""
