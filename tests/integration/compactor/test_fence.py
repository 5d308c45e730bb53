"""A worker whose partition was taken over learns that it was: whatever part of a batch failed first, of a fence."""

import pytest

from processors.compactor import record_batch
from processors.compactor.batch import Folded
from processors.compactor.messages import Output
from processors.compactor.writer import FencedError, Writer
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics
from tests.integration.compactor.conftest import SettingsWithTopics
from tests.unit.compactor.logs import compact, entry, report

ROUNDS = 6


def writer(settings: Settings) -> Writer:
    return Writer(
        client_options(settings, "compact"), topics(settings), settings.compact.group, 0, 20.0, lambda _: None
    )


def batch() -> Folded:
    return compact([entry(at, report(selector=f"S:{at}", calls="c", other="o")) for at in range(40)], []).whole


async def test_fenced_is_said_whatever_failed_first(
    topics_for: SettingsWithTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_batch, "RAW_BYTES", 2_000)  # several batches a topic, sent one after the other
    settings = await topics_for()
    for number in range(ROUNDS):
        stale, owner = writer(settings), writer(settings)
        try:
            await stale.open()
            await stale.commit(Output(batch()), 2 * number + 1, "")
            await owner.open()
            with pytest.raises(FencedError):
                await stale.commit(Output(batch()), 2 * number + 2, "")
            await owner.commit(Output(batch()), 2 * number + 2, "")
        finally:
            await stale.close()
            await owner.close()
