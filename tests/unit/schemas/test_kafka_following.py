"""How long a worker waits for a broker that has fallen silent."""

import pytest

from schemas.kafka_client import client_options, following_options, member_request_ms
from schemas.settings import Compact, Settings, Sink


def test_a_worker_follows_soon_and_reaches_the_same_kafka() -> None:
    options = following_options(Settings(), "sink")
    assert options.items() >= client_options(Settings(), "sink").items()
    # Kafka's own defaults fence a silent broker after 9 s: asking sooner would find nobody new.
    assert 9_000 < options["request_timeout_ms"] <= 15_000
    assert options["metadata_max_age_ms"] <= 15_000


@pytest.mark.parametrize("session", [Compact().session_timeout, Sink().session_timeout, 60.0])
def test_a_member_waits_longer_than_kafka_waits_for_a_dead_one(session: float) -> None:
    assert member_request_ms(session) > session * 1000 + 3_000  # group.initial.rebalance.delay.ms
