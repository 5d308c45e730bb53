"""The batch functions against the reference model: any log, cut into any batches, comes to the same."""

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.compactor.messages import latest_messages, removals_messages
from schemas.records import decode_latest, decode_removed
from tests.unit.compactor.logs import Entry, as_dict, compact, logs, reference

EXAMPLES = 20_000 if os.environ.get("SOAK") else 400
cuts = st.lists(st.integers(1, 6), max_size=8)


@settings(max_examples=EXAMPLES, deadline=None)
@given(logs(), cuts)
def test_any_log_in_any_batches_equals_the_reference(entries: list[Entry], sizes: list[int]) -> None:
    """State, removals, changes and rejects, all of them, and the changes in order."""
    found, model = compact(entries, sizes), reference(entries)
    assert found.latest() == model.latest()
    assert found.removals() == model.removals()
    ours = [{name: getattr(change, name) for name in model_change(change)} for change in found.whole.changes]
    assert ours == model.changes
    rejected = [{"reason": bad.reason, "source": as_dict(bad.source)} for bad in found.whole.rejected]
    assert sorted(rejected, key=str) == sorted(model.rejected, key=str)


def model_change(change: Any) -> list[str]:
    """The fields that the model knows of a change."""
    return [name for name in change.__struct_fields__ if name not in ("schema_version", "source")]


@settings(max_examples=EXAMPLES, deadline=None)
@given(logs(), cuts)
def test_what_a_reader_of_the_topics_keeps_is_the_state(entries: list[Entry], sizes: list[int]) -> None:
    """The last message per key of `latest` and `removals` is the state, and never both hold a selector."""
    found = compact(entries, sizes)
    latest: dict[bytes, bytes] = {}
    removals: dict[bytes, bytes] = {}
    for part in found.parts:
        for topic, messages in ((latest, latest_messages(part.moves)), (removals, removals_messages(part.moves))):
            for key, value, _, _ in messages:
                topic.pop(key, None)
                if value is not None:
                    topic[key] = value
    assert not latest.keys() & removals.keys()
    read = {key: decode_latest(value) for key, value in latest.items()}
    gone = {key: decode_removed(value) for key, value in removals.items()}
    assert {**read, **gone} == {key: state for key, state in found.states.items() if state is not None}


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(logs(), cuts, st.integers(0, 20))
def test_a_replay_from_anywhere_changes_nothing(entries: list[Entry], sizes: list[int], start: int) -> None:
    """Forgotten offsets, a rebuild: records that were applied are applied again after the whole log; nothing moves."""
    once = compact(entries, sizes)
    again = compact([*entries, *entries[start:]], [len(entries)])
    assert again.states == once.states
    assert [change.id for change in again.whole.changes] == [change.id for change in once.whole.changes]
