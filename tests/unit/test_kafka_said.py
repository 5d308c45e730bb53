"""What commands say when Kafka does not do what it was asked."""

import asyncio

import pytest
from aiokafka.errors import (
    CommitFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    UnknownMemberIdError,
)

from deploy.cli.kafka import run_within, said
from schemas.settings import Kafka, Settings

SETTINGS = Settings(kafka=Kafka(bootstrap="broker:9092"))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KafkaConnectionError("Unable to bootstrap from [...]"), "broker:9092 does not answer"),
        (GroupCoordinatorNotAvailableError(), "does not answer"),
        (KafkaTimeoutError(), "does not answer"),
        (TimeoutError(), "does not answer"),
        (ConnectionRefusedError(), "does not answer"),
        (TopicAuthorizationFailedError(), "broker:9092 refuses (TopicAuthorizationFailedError)"),
        (UnknownMemberIdError(), "stop its roles first"),
        (CommitFailedError(), "stop its roles first"),
    ],
)
def test_a_line_for_each(error: Exception, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.cli.kafka.why_not", _away)
    assert text in said(SETTINGS, error)
    assert "bootstrap from" not in said(SETTINGS, error)


def test_a_command_has_a_deadline() -> None:
    with pytest.raises(TimeoutError):
        run_within(_never(), 0.01)


async def _away(settings: Settings, role: str, connect: object, error: Exception) -> str:
    return f"Kafka at {settings.bootstrap} does not answer"


async def _never() -> None:
    await asyncio.Event().wait()
