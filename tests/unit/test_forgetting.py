"""What `pushtokens forget` puts onto the log, and what it says of the copies that Kafka keeps."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.cli.main import main
from deploy.forgetting import held_until, removal
from schemas.records import decode_report, encode

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("config", "compacted", "expected"),
    [
        ({"retention.ms": "86400000", "segment.ms": "3600000"}, False, NOW + DAY + timedelta(hours=1)),
        ({"retention.ms": "86400000"}, False, NOW + 8 * DAY),  # Kafka's default segment takes records for a week
        ({"retention.ms": "-1", "segment.ms": "3600000"}, False, None),
        ({"retention.ms": "9223372036854775807", "segment.ms": "1"}, False, None),
        ({"max.compaction.lag.ms": "86400000", "retention.ms": "1"}, True, NOW + DAY),
        ({"retention.ms": "1"}, True, None),  # Kafka's default: no limit to the lag
        ({"max.compaction.lag.ms": "9223372036854775807"}, True, None),
        ({}, False, None),
    ],
)
def test_until_when_a_topic_holds_copies(config: dict[str, str], compacted: bool, expected: datetime | None) -> None:
    assert held_until(config, NOW, compacted=compacted) == expected


def test_the_record_names_the_selector_and_no_token() -> None:
    record = decode_report(encode(removal("SEL:7C3A0D14", 1_790_000_000_000)))
    assert (record.kind, record.reason, record.origin) == ("removal", "forget", "operator")
    assert (record.selector, record.received_at) == ("SEL:7C3A0D14", 1_790_000_000_000)
    assert (record.username, record.calls, record.other) == (None, None, None)


@pytest.mark.parametrize("words", [["--selector", ""], ["--username", ""]])
def test_nobody_is_not_somebody(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", *words, "--yes"]) == 2
    assert "nobody" in capsys.readouterr().err
