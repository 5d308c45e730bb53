"""Reading and folding batches: what is set aside, and what goes onto which topic."""

from hypothesis import given
from hypothesis import strategies as st

from processors.compactor.messages import Output, change_messages, latest_messages, removals_messages
from processors.compactor.reading import FUTURE, INVALID, KEY_MISMATCH, WRONG_PARTITION, Log, read
from schemas.cloudevents import headers
from schemas.records import Latest, encode
from tests.unit.compactor.batches import sent
from tests.unit.compactor.logs import LOG_ID, T0, Entry, belongs, compact, entry, report

LOG = Log(LOG_ID, 0, 1)


def test_what_is_wrong_is_set_aside_once_and_the_rest_goes_on() -> None:
    good = report(selector="S:9", calls="c")
    entries = [
        Entry(0, T0, b"S:1", b"{"),
        Entry(1, T0, b"S:1", None),
        Entry(2, T0, b"other", encode(report())),
        Entry(3, T0, None, encode(report())),
        Entry(4, T0 - 300_001, b"S:1", encode(report())),
        entry(5, good),
    ]
    found = compact(entries, [])
    reasons = [INVALID, INVALID, KEY_MISMATCH, KEY_MISMATCH, FUTURE]
    assert [bad.reason for bad in found.whole.rejected] == reasons
    assert [bad.id for bad in found.whole.rejected] == [f"{LOG_ID}-0-{offset}-rejected" for offset in range(5)]
    assert list(found.states) == [b"S:9"]


def test_a_record_at_the_edge_of_the_future_is_taken() -> None:
    assert read([entry(0, report(calls="c"), delay=-300_000)], LOG, 300_000)[1] == []


def test_nothing_of_a_bad_records_text_is_shown() -> None:
    secret = b'{"calls":{"token":"tell-nobody"},"kind":7}'
    (bad,) = compact([Entry(0, T0, b"S:1", secret)], []).whole.rejected
    assert "tell-nobody" not in repr(bad) and b"tell-nobody" not in encode(bad)
    assert bad.input["length"] == len(secret)


def test_a_selector_of_another_partition_is_rejected() -> None:
    names = [f"S:{number}" for number in range(20)]
    entries = [entry(offset, report(selector=name, calls="c")) for offset, name in enumerate(names)]
    found = compact(entries, [7], partition=2, partitions=4)
    mine = {name.encode() for name in names if belongs(name, 2, 4)}
    assert {key for key, state in found.states.items() if state is not None} == mine
    assert len(found.whole.rejected) == len(names) - len(mine)
    assert {bad.reason for bad in found.whole.rejected} == {WRONG_PARTITION}


def test_several_updates_of_a_selector_are_one_message_on_latest_and_each_on_changes() -> None:
    entries = [entry(offset, report(calls=f"c{offset}")) for offset in range(4)]
    found = compact(entries, []).whole
    assert len(list(latest_messages(found.moves))) == 1
    assert len(list(change_messages(found.changes))) == 4


def test_a_removal_is_a_tombstone_and_a_memory_and_back() -> None:
    registered, removed, again = (
        entry(0, report(calls="c")),
        entry(1, report(kind="removal")),
        entry(2, report(at=T0 + 1, calls="c")),
    )
    _, gone, back, _ = (part.moves for part in compact([registered, removed, again], [1, 1, 1]).parts)
    assert [value for _, value, _, _ in latest_messages(gone)] == [None]
    assert [value is None for _, value, _, _ in removals_messages(gone)] == [False]
    assert [value is None for _, value, _, _ in latest_messages(back)] == [False]
    assert [value for _, value, _, _ in removals_messages(back)] == [None]


def test_registered_and_removed_in_one_part_leaves_latest_alone() -> None:
    found = compact([entry(0, report(calls="c")), entry(1, report(kind="removal"))], []).whole
    assert list(latest_messages(found.moves)) == []
    assert len(list(removals_messages(found.moves))) == 1
    assert [key for key, *_ in change_messages(found.changes)] == [b"S:1", b"S:1"]


@given(st.integers(0, 4_102_444_800_000))
def test_headers_are_those_of_cloudevents(at: int) -> None:
    bad = Entry(1, T0, b"S:1", b"{")
    found = compact([entry(0, report(at=at, calls="c")), bad], [1, 1])
    output = Output(*found.parts)
    state = found.states[b"S:1"]
    assert isinstance(state, Latest)
    (change,), (latest,), (rejected,) = (sent(each.take()) for each in (output.changes, output.latest, output.rejected))
    assert dict(change.headers) == dict(headers("change", f"{LOG_ID}-0-0-calls", at))
    assert dict(latest.headers) == dict(headers("latest", f"{LOG_ID}-0-0", state.last_seen))
    assert dict(rejected.headers) == dict(headers("rejected", f"{LOG_ID}-0-1-rejected", T0))
    assert sent(output.removals.take()) == []
