"""Our record batches are Kafka's: aiokafka reads them, and builds the same bytes."""

import random
from collections.abc import Iterator

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.compactor.record_batch import BATCH_BYTES, Batches, Message, RecordBatch
from processors.compactor.wire import FEW
from schemas.cloudevents import headers
from tests.unit.compactor.batches import sent

AT = 1_790_000_000_000
texts = st.none() | st.binary(max_size=40) | st.sampled_from((b"", b"v" * 63, b"v" * 64, b"v" * (FEW - 1), b"v" * FEW))
messages = st.lists(st.tuples(texts, texts, st.text(max_size=70), st.integers(0, 4_102_444_800_000)), max_size=6)


def filled(parts: list[list[Message]], compress: bool) -> RecordBatch:
    batch = RecordBatch("change", AT, compress)
    for part in parts:
        assert not batch.fill(iter(part))
    return batch


@settings(deadline=None)
@given(st.lists(messages, min_size=1, max_size=3))
def test_the_same_bytes_as_aiokafka_builds(parts: list[list[Message]]) -> None:
    batch = filled(parts, compress=False)
    theirs = BatchBuilder(10**8, 0, is_transactional=1)
    for key, value, name, at in (message for part in parts for message in part):
        theirs.append(timestamp=AT, key=key, value=value, headers=headers("change", name, at))
    for one in (batch, theirs):
        one._set_producer_state(5, 6, 7)
    if batch.record_count():
        # The order of the headers is ours: those that never change come first.
        assert len(batch._build()) == len(theirs._build()) == batch.size()


@settings(deadline=None)
@given(st.lists(messages, min_size=1, max_size=3), st.booleans())
def test_a_consumer_reads_what_was_filled_in(parts: list[list[Message]], compress: bool) -> None:
    wanted = [message for part in parts for message in part]
    found = sent([filled(parts, compress)]) if wanted else []
    assert [(one.key, one.value) for one in found] == [(key, value) for key, value, _, _ in wanted]
    assert [dict(one.headers) for one in found] == [dict(headers("change", name, at)) for _, _, name, at in wanted]
    assert [(one.offset, one.timestamp) for one in found] == [(offset, AT) for offset in range(len(wanted))]


def many(count: int, size: int) -> Iterator[Message]:
    dice = random.Random(1)
    for number in range(count):
        yield f"k{number}".encode(), dice.randbytes(size), f"id{number}", AT + number


@pytest.mark.parametrize(
    ("count", "size", "compress"),
    [(20_000, 10, True), (20_000, 10, False), (3_000, 2_000, True), (3_000, 2_000, False), (5, 390_000, True)],
    ids=["many", "many plain", "incompressible", "incompressible plain", "huge"],
)
def test_every_batch_is_small_enough_and_nothing_is_lost(count: int, size: int, compress: bool) -> None:
    batches = Batches("latest", compress)
    rest = many(count, size)
    for some in (1, 777):  # in turns, as parts of a batch come
        batches.add([next(rest) for _ in range(min(some, count // 3))])
    batches.add(rest)
    taken = batches.take()
    found = sent(taken)
    assert max(batch.size() for batch in taken) <= BATCH_BYTES + 100  # the limit is for the records in it
    assert [(one.key, one.value) for one in found] == [(key, value) for key, value, _, _ in many(count, size)]
    offsets = [offset for batch in taken for offset in range(batch.record_count())]
    assert [one.offset for one in found] == offsets
    assert batches.take() == []


def test_a_batch_that_is_sent_again_is_the_same_to_the_byte() -> None:
    batch = filled([list(many(50, 10))], compress=True)
    batch._set_producer_state(1, 2, 3)
    assert batch._build() is batch._build()
    assert batch.closed()
    assert batch.record_count() == 50
