"""Logs for tests: records as Kafka would hand them out, and strategies that make whole logs of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st
from msgspec import UNSET

from processors.compactor.batch import Folded, fold
from processors.compactor.known import Known
from processors.compactor.reading import Log, Read, read
from processors.compactor.rules import UNCHANGED, Rules, State
from schemas.partition import partition_of
from schemas.records import Latest, Pair, Removed, Report, encode
from tests.reference import Reference

LOG_ID = "log-A"
RULES = Rules(touch_interval=86_400_000, late_after=5_000, future_tolerance=300_000)
HOUR = 3_600_000
T0 = 1_790_000_000_000


class Entry(NamedTuple):
    """A record of the log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def report(selector: str = "S:1", at: int = T0, **given: Any) -> Report:
    """A report with the given fields; `calls` and `other` may be `token` or `(token, app_id)`."""
    for slot in ("calls", "other"):
        pair = given.get(slot)
        if isinstance(pair, str):
            given[slot] = Pair(pair)
        elif isinstance(pair, tuple):
            given[slot] = Pair(*pair)
    fields: dict[str, Any] = {"kind": "report", "username": None, "calls": None, "other": None}
    return Report(schema_version=1, id="r", received_at=at, selector=selector, **(fields | given))


def entry(offset: int, made: Report, delay: int = 10) -> Entry:
    """`made` on the log, appended `delay` ms after it was received."""
    return Entry(offset, made.received_at + delay, made.selector.encode(), encode(made))


def compact(
    entries: Sequence[Entry],
    sizes: Sequence[int],
    partition: int = 0,
    partitions: int = 1,
    known: Known | None = None,
    states: Mapping[bytes, State] | None = None,
) -> "Folds":
    """Run the batch functions over a partition's log in batches of the given sizes (the last one takes the rest), with
    fingerprints where they are given, from the given states on."""
    log = Log(LOG_ID, partition, partitions)
    now: dict[bytes, State] = dict(states or {})
    steps: list[Step] = []
    rest = list(entries)
    for size in [*sizes, len(entries)]:
        batch, rest = rest[:size], rest[size:]
        good, bad = read(batch, log, RULES.future_tolerance)
        news = good if known is None else _news(known, good)
        before = {record[0]: now.get(record[0]) for record in news}
        part = fold(news, before, log, RULES)
        part.rejected.extend(bad)
        part.counts[UNCHANGED] = part.counts.get(UNCHANGED, 0) + len(good) - len(news)
        after = {key: move[1] for key, move in part.moves.items()}
        if known is not None:
            known.learn(news, before, after)
        now.update(after)
        steps.append(Step(news, part))
    return Folds(now, join([step.part for step in steps]), steps)


def _news(known: Known, records: Sequence[Read]) -> list[Read]:
    """In turns of two records, as the owner asks in turns: nothing is learnt between them."""
    found: list[Read] = []
    moving: set[bytes] = set()
    for start in range(0, len(records), 2):
        found += known.news(records[start : start + 2], moving)
    return found


def join(parts: Sequence[Folded]) -> Folded:
    """The consecutive parts of one batch as one."""
    whole = Folded({}, [], [], {})
    for part in parts:
        for key, move in part.moves.items():
            first = whole.moves.get(key)
            whole.moves[key] = move if first is None else (first[0], move[1])
        whole.changes.extend(part.changes)
        whole.rejected.extend(part.rejected)
    return whole


class Step(NamedTuple):
    """One batch: what might change something, and what it did."""

    news: list[Read]
    part: Folded


class Folds(NamedTuple):
    """What came of a log: the final states, everything folded into one, and batch by batch."""

    states: dict[bytes, State]
    whole: Folded
    steps: list[Step]

    @property
    def parts(self) -> list[Folded]:
        """What each batch did."""
        return [step.part for step in self.steps]

    def latest(self) -> dict[str, dict[str, Any]]:
        """As `Reference.latest`."""
        return {
            state.selector: {
                "username": state.username,
                "calls": as_dict(state.calls),
                "other": as_dict(state.other),
                "first_seen": state.first_seen,
                "last_seen": state.last_seen,
                "bound_to": state.bound_to or None,
                "source": as_dict(state.source),
            }
            for state in self.states.values()
            if isinstance(state, Latest)
        }

    def removals(self) -> dict[str, dict[str, Any]]:
        """As `Reference.removals`."""
        return {
            state.selector: {
                "calls_removed_at": state.calls_removed_at,
                "other_removed_at": state.other_removed_at,
                "reason": state.reason,
                "bound_to": state.bound_to or None,
                "source": as_dict(state.source),
            }
            for state in self.states.values()
            if isinstance(state, Removed)
        }


def as_dict(record: Any) -> Any:
    """A struct as a plain dictionary."""
    return None if record is None else {name: getattr(record, name) for name in record.__struct_fields__}


def reference(entries: Sequence[Entry], partition: int = 0, partitions: int = 1) -> Reference:
    """The reference model of the same log."""
    model = Reference(LOG_ID, partitions)
    for record in entries:
        model.take(partition, record.offset, record.timestamp, record.key, record.value)
    return model


TOKENS = ("aa", "bb", "cc")
pairs = st.none() | st.builds(
    Pair, token=st.sampled_from(TOKENS), app_id=st.none() | st.sampled_from(("", "app.one", "app.two"))
)
good_reports = st.builds(
    Report,
    schema_version=st.just(1),
    id=st.just("r"),
    kind=st.sampled_from(("report", "report", "report", "removal", "release", "blink")),
    # Few moments, so that orders and ties come up; wide apart, so that the touch interval does.
    received_at=st.integers(0, 60).map(lambda hours: T0 + hours * HOUR)
    | st.integers(0, 12_000).map(lambda ms: T0 + ms),
    selector=st.sampled_from(("S:1", "S:2", "S:3")),
    username=st.sampled_from((None, "", "ann", "bob")),
    calls=pairs,
    other=pairs,
    origin=st.sampled_from(("app", "app", "app", "import", "operator")),
    reason=st.sampled_from((None, None, "forget")),
    authenticated_username=st.sampled_from((UNSET, UNSET, "", "ann", "ann", "bob")),
)
delays = st.sampled_from((0, 10, 4_999, 5_000, 5_001, 9_000, 30 * HOUR, -10, -300_000, -300_001))


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """A partition's log: reports, removals and imports, early and late, with gaps, and now and then something bad."""
    entries = []
    offset = draw(st.integers(0, 3))
    for _ in range(draw(st.integers(0, 14))):
        made = draw(good_reports)
        made_entry = entry(offset, made, draw(delays))
        if draw(st.integers(0, 19)) == 0:
            bad = draw(st.sampled_from((None, b"", b"{", b"[]", b'{"kind":"report"}', b"\xff", encode(made)[:-1])))
            made_entry = made_entry._replace(value=bad)
        elif draw(st.integers(0, 19)) == 0:
            made_entry = made_entry._replace(key=draw(st.sampled_from((None, b"other"))))
        entries.append(made_entry)
        offset += draw(st.sampled_from((1, 1, 1, 2, 5)))
    return entries


def belongs(selector: str, partition: int, partitions: int) -> bool:
    """Whether a selector's partition is this one."""
    return partition_of(selector.encode(), partitions) == partition
