"""What counts as a topic that cannot be used as it is."""

import pytest

from deploy.topic_setup import differences
from schemas.topics import TopicSpec

SPEC = TopicSpec(
    name="push-token.reports",
    partitions=8,
    replicas=1,
    config={"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime", "retention.ms": "1000"},
)
GOOD = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime", "retention.ms": "77"}


def test_a_topic_as_defined_has_none() -> None:
    assert differences(SPEC, 8, GOOD) == []


def test_retention_is_the_operators_to_change() -> None:
    assert differences(SPEC, 8, GOOD | {"retention.ms": "5"}) == []


@pytest.mark.parametrize("partitions", [4, 16])
def test_another_partition_count_is_named_with_the_way_out(partitions: int) -> None:
    (text,) = differences(SPEC, partitions, GOOD)
    assert "push-token.reports" in text
    assert f"PUSHTOKENS_PARTITIONS={partitions}" in text


@pytest.mark.parametrize(
    ("name", "value"), [("cleanup.policy", "compact"), ("message.timestamp.type", "CreateTime")], ids=str
)
def test_an_essential_config_is_named(name: str, value: str) -> None:
    (text,) = differences(SPEC, 8, GOOD | {name: value})
    assert f"{name}={value}" in text
    assert f"{name}={SPEC.config[name]}" in text
