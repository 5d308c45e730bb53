"""What the version before wrote (`tests/cluster/before.jsonl`), this one reads, and goes on from as that one did.

A new version may write more than the one before; what that one wrote, it says in the same words, so that both can work
on one log, and an operator can go back.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from processors.compactor.copy import Identities
from processors.compactor.merge import merge
from processors.compactor.offsets import mark_of, read_mark
from processors.compactor.rules import CHANGED, DISPOSITIONS, LATE, State
from processors.compactor.store import decode_position
from processors.group_offsets import GroupOffset
from processors.sink.mark import resume
from schemas.records import Change, Source, decode_latest, decode_removed, decode_report, encode
from tests.cluster.record import RULES

LINES = (Path(__file__).parents[2] / "cluster" / "before.jsonl").read_text(encoding="utf-8").splitlines()
MARKS: dict[str, str] = json.loads(LINES[0])
STEPS: list[dict[str, Any]] = [json.loads(line) for line in LINES[1:]]


def state_of(written: list[str] | None) -> State:
    if written is None:
        return None
    topic, value = written
    return decode_latest(value.encode()) if topic == "latest" else decode_removed(value.encode())


def lacks(now: bytes, before: str) -> dict[str, Any]:
    """What a text of before says and one of now does not (field to what it said)."""
    found = json.loads(now)
    return {name: value for name, value in json.loads(before).items() if name not in found or found[name] != value}


def test_what_was_recorded_is_worth_comparing() -> None:
    assert {step["disposition"] for step in STEPS} >= {CHANGED, LATE, "unchanged", "ignored"} <= {*DISPOSITIONS}
    said = {json.loads(change)["change"] for step in STEPS for change in step["changes"]}
    assert said == {"registered", "rotated", "app_changed", "account_changed", "removed"}
    assert {step["after"][0] for step in STEPS if step["after"]} == {"latest", "removals"}


def test_each_record_is_merged_into_each_state_of_before_as_it_was() -> None:
    """The state of before, read by this version, at every single step: as in a worker that takes over there."""
    states: dict[str, State] = {}
    for step in STEPS:
        report = decode_report(step["report"].encode())
        source = Source(log_id="log-1", partition=0, offset=step["offset"])
        outcome = merge(states.get(report.selector), report, source, step["appended_at"], RULES)
        assert outcome.disposition == step["disposition"], step
        assert (outcome.state is None) == (step["after"] is None), step
        if outcome.state is not None:
            assert lacks(encode(outcome.state), step["after"][1]) == {}, step
        assert [lacks(encode(new), old) for new, old in zip(outcome.changes, step["changes"], strict=True)] == [
            {} for _ in step["changes"]
        ], step
        states[report.selector] = state_of(step["after"])


def test_changes_of_before_are_read() -> None:
    for step in STEPS:
        for text in step["changes"]:
            assert lacks(encode(msgspec.json.decode(text, type=Change)), text) == {}


def test_committed_offsets_of_before_go_on() -> None:
    identities = Identities(reports="log-1", latest="log-2", removals="log-3")
    assert read_mark(MARKS["compactor"]) == mark_of(identities)
    rest = resume(GroupOffset(30, MARKS["sink_at_rest"]), "log-1", 100, "reports[0]")
    assert (rest.offset, rest.last, rest.known) == (30, None, True)
    under_way = resume(GroupOffset(30, MARKS["sink_under_way"]), "log-1", 100, "reports[0]")
    assert (under_way.offset, under_way.last, under_way.recount) == (30, 41, 17)


def test_a_store_of_before_is_not_copied_again() -> None:
    position = decode_position(MARKS["position"].encode())
    assert position is not None
    assert (position.latest, position.removals, position.source, position.rebuilt) == (5, 6, 7, 3)
