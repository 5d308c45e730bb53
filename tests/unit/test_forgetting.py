"""What `pushtokens forget` puts onto the log, whom it finds, and what it says of the copies that Kafka keeps."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.cli.forget import _agreed, _print
from deploy.cli.main import main
from deploy.forgetting.account import Found, sort_out
from deploy.forgetting.copies import _told, expired, superseded, tombstone_gone
from deploy.forgetting.work import Forgotten, removal
from schemas.records import decode_report, encode
from schemas.settings import Settings
from schemas.topics import topics

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"retention.ms": "86400000", "segment.ms": "3600000"}, NOW + DAY + HOUR),
        ({"retention.ms": "86400000"}, NOW + 8 * DAY),  # Kafka's default segment takes records for a week
        ({"retention.ms": "-1", "segment.ms": "3600000"}, None),
        ({"retention.ms": "9223372036854775807", "segment.ms": "1"}, None),
        ({}, None),
    ],
)
def test_until_when_a_topic_with_retention_holds_copies(config: dict[str, str], expected: datetime | None) -> None:
    assert expired(config, NOW) == expected


@pytest.mark.parametrize(
    ("config", "pairs", "tombstone"),
    [
        ({"max.compaction.lag.ms": "86400000", "delete.retention.ms": "3600000"}, NOW + DAY, NOW + 2 * DAY + HOUR),
        ({"max.compaction.lag.ms": "86400000", "retention.ms": "1"}, NOW + DAY, NOW + 3 * DAY),  # default: a day
        ({"retention.ms": "1"}, None, None),  # Kafka's default: no limit to the lag
        ({"max.compaction.lag.ms": "9223372036854775807"}, None, None),
    ],
)
def test_until_when_a_compacted_topic_holds_copies(
    config: dict[str, str], pairs: datetime | None, tombstone: datetime | None
) -> None:
    assert (superseded(config, NOW), tombstone_gone(config, NOW)) == (pairs, tombstone)


def test_every_topic_is_told_of_with_its_own_configs() -> None:
    """By the configs that `init` gives them (design.md section 2)."""
    found = topics(Settings())
    told = {(one.topic.removeprefix("push-token."), one.until) for one in _told(found, _configs(), NOW)}
    assert told == {
        ("reports", NOW + 37 * DAY),
        ("changes", NOW + 37 * DAY),
        ("rejected", NOW + 14 * DAY),
        ("latest", NOW + DAY),
        ("latest", NOW + 9 * DAY),
        ("removals", None),
    }
    assert {topic for topic, _ in told} == {spec.name.removeprefix("push-token.") for spec in found.all()}


def _configs() -> dict[str, dict[str, str]]:
    return {spec.name: spec.config for spec in topics(Settings()).all()}


@pytest.mark.parametrize(
    ("history", "current", "names", "own", "passed_on"),
    [
        ({"A": True}, {"A"}, {}, ["A"], []),
        ({}, {"A"}, {}, ["A"], []),  # the sink has no row of it (or its rows have expired)
        ({"A": True}, set(), {}, ["A"], []),  # removed since: only history is left
        ({"A": False}, set(), {"A": "janedoe"}, [], ["A"]),
        ({"A": True}, set(), {"A": "janedoe"}, [], ["A"]),  # the table is ahead of the history
        ({"A": False}, {"A"}, {}, ["A"], []),  # a late row of another account: log order decides, and that is the table
        ({"A": False}, set(), {}, [], ["A"]),  # another account's when it was removed
        ({"A": False}, set(), {"A": None}, [], ["A"]),
        ({"A": True}, set(), {"A": None}, ["A"], []),
        ({"A": True, "B": False, "C": True}, {"C", "D"}, {"B": "x"}, ["A", "C", "D"], ["B"]),
    ],
)
def test_whose_a_selector_is_now(
    history: dict[str, bool], current: set[str], names: dict[str, str | None], own: list[str], passed_on: list[str]
) -> None:
    assert sort_out("johndow", history, current, names) == Found(tuple(own), tuple(passed_on))


def test_nobody_is_found() -> None:
    assert not sort_out("johndow", {}, set(), {})
    assert Found((), ("A",))


def test_the_record_names_the_selector_and_no_token() -> None:
    record = decode_report(encode(removal("SEL:7C3A0D14", 1_790_000_000_000)))
    assert (record.kind, record.reason, record.origin) == ("removal", "forget", "operator")
    assert (record.selector, record.received_at) == ("SEL:7C3A0D14", 1_790_000_000_000)
    assert (record.username, record.calls, record.other) == (None, None, None)


@pytest.mark.parametrize("words", [["--selector", ""], ["--username", ""]])
def test_nobody_is_not_somebody(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", *words, "--yes"]) == 2
    assert "nobody" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("terminal", "typed", "agreed"), [(True, "y", True), (True, " Y ", True), (True, "", False), (False, "y", False)]
)
def test_it_asks_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool, typed: str, agreed: bool
) -> None:
    """Who goes, and who keeps what, stands above the question; without a terminal nobody is asked, and nothing done."""
    asked: list[str] = []

    def answer(text: str) -> str:
        asked.append(text)
        return typed

    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal)
    monkeypatch.setattr("builtins.input", answer)
    assert _agreed(Found(("A", "B"), ("C",))) is agreed
    shown = capsys.readouterr().out.splitlines()
    assert (shown[:1], shown[-2:]) == ((["C"], ["A", "B"]) if terminal else ([], []))
    assert ["these 2 selectors" in text for text in asked] == ([True] if terminal else [])


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    copies = _told(topics(Settings()), _configs(), NOW)
    _print(Forgotten(Found(("A",), ("C",)), copies))
    shown = capsys.readouterr().out
    assert "1 selector has another account now" in shown
    assert "push-token.reports           2026-12-31 00:00 UTC   what was reported" in shown
    assert "push-token.removals          no limit               the selector alone" in shown
