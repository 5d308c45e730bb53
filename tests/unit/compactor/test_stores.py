"""The contract of a store, kept by both: in memory and on RocksDB."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from processors.compactor.memory_store import MemoryStore
from processors.compactor.rocks_store import RocksStore
from processors.compactor.store import Position, Store, StoreError, StoreFullError, Write, decode_position


def position(latest: int) -> Position:
    return Position(latest=latest, removals=0, latest_id="L", removals_id="R", source=0, log_id="A", at=1)


def put(at: int = 1, **given: Any) -> Write:
    latest, removals = given.get("latest", {}), given.get("removals", {})
    return Write(
        list(latest.items()), list(removals.items()), given.get("added", ()), given.get("dropped", ()), position(at)
    )


@pytest.fixture(params=["memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else RocksStore(tmp_path / "store")
    yield made
    made.close()


def test_nothing_is_held_at_first(store: Store) -> None:
    assert store.latest(0, [b"a"]) == [None]
    assert store.removals(0, []) == []
    assert store.selectors(0, "ann") == []
    assert store.position(0) is None
    assert store.held() == []


def test_values_come_back_in_the_order_asked(store: Store) -> None:
    store.write(0, put(latest={b"a": b"1", b"b": b"2"}, removals={b"c": b"3"}))
    assert store.latest(0, [b"b", b"x", b"a"]) == [b"2", None, b"1"]
    assert store.removals(0, [b"a", b"c"]) == [None, b"3"]


def test_none_takes_a_value_away(store: Store) -> None:
    store.write(0, put(latest={b"a": b"1"}, removals={b"a": b"2"}))
    store.write(0, put(latest={b"a": None, b"never": None}))
    assert (store.latest(0, [b"a"]), store.removals(0, [b"a"])) == ([None], [b"2"])


def test_partitions_are_apart(store: Store) -> None:
    store.write(0, put(latest={b"a": b"0"}, added=[("ann", b"a")]))
    store.write(256, put(at=9, latest={b"a": b"256"}))
    assert (store.latest(0, [b"a"]), store.latest(256, [b"a"])) == ([b"0"], [b"256"])
    assert store.held() == [0, 256]
    store.drop(0)
    assert (store.latest(0, [b"a"]), store.selectors(0, "ann"), store.position(0)) == ([None], [], None)
    assert (store.latest(256, [b"a"]), store.position(256)) == ([b"256"], position(9))
    assert store.held() == [256]


def test_the_last_partition_number_can_be_dropped(store: Store) -> None:
    store.write(65_535, put(latest={b"a": b"1"}, removals={b"b": b"2"}))
    store.drop(65_535)
    assert (store.latest(65_535, [b"a"]), store.removals(65_535, [b"b"])) == ([None], [None])


@pytest.mark.parametrize("name", ["ann", "", "a\0b", "ann@example.net/ä+1", "x" * 300])
def test_the_index_has_the_selectors_of_an_account_in_order(store: Store, name: str) -> None:
    store.write(0, put(added=[(name, b"s2"), (name, b"s1"), (name + "1", b"s3")]))
    assert store.selectors(0, name) == [b"s1", b"s2"]
    store.write(0, put(dropped=[(name, b"s2"), ("nobody", b"s1")], added=[(name, b"s1")]))
    assert store.selectors(0, name) == [b"s1"]


def test_an_entry_that_moves_within_one_write_stays(store: Store) -> None:
    store.write(0, put(added=[("ann", b"s")]))
    store.write(0, put(dropped=[("ann", b"s")], added=[("bob", b"s")]))
    assert (store.selectors(0, "ann"), store.selectors(0, "bob")) == ([], [b"s"])


def test_rocksdb_finds_everything_again(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "store")
    store.write(3, put(at=7, latest={b"a": b"1"}, removals={b"b": b"2"}, added=[("ann", b"a")]))
    store.close()
    store = RocksStore(tmp_path / "store")
    assert (store.latest(3, [b"a"]), store.removals(3, [b"b"]), store.selectors(3, "ann")) == ([b"1"], [b"2"], [b"a"])
    assert store.position(3) == position(7)
    store.close()


def test_rocksdb_in_use_says_what_to_do(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "store")
    with pytest.raises(StoreError, match="another worker"):
        RocksStore(tmp_path / "store")
    store.close()


def test_a_position_of_an_unknown_form_counts_as_none() -> None:
    assert decode_position(b'{"v":2}') is None
    assert decode_position(b"\xff") is None


def test_a_scan_gives_all_of_a_partition_a_part_at_a_time(store: Store) -> None:
    held = {f"key-{number:02}".encode(): b"%d" % number for number in range(7)}
    store.write(1, put(latest=held))
    store.write(0, put(latest={b"another": b"x"}, removals={b"r": b"x"}))
    store.write(2, put(latest={b"another": b"y"}))
    parts = list(store.scan(1, 3))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert dict(pair for part in parts for pair in part) == held
    assert list(store.scan(9, 3)) == []


def test_a_scan_sees_what_was_written_and_dropped_since_it_began(store: Store) -> None:
    store.write(0, put(latest={b"a": b"1", b"b": b"1", b"c": b"1", b"d": b"1"}))
    scan = store.scan(0, 2)
    assert next(scan) == [(b"a", b"1"), (b"b", b"1")]
    store.write(0, put(latest={b"c": None, b"d": b"2"}))
    assert next(scan) == [(b"d", b"2")]
    scan = store.scan(0, 2)
    next(scan)
    store.drop(0)
    assert list(scan) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "IO error: No space left on device: While appending to file: 000004.log: No space left on device",
            StoreFullError,
        ),
        ("IO error: Writer has previous error. Disk quota exceeded", StoreFullError),
        ("IO error: Max allowed space was reached: Space limit reached", StoreFullError),
        ("Corruption: block checksum mismatch", RuntimeError),
    ],
)
def test_a_full_disk_is_told_from_other_failures(tmp_path: Path, text: str, kind: type[Exception]) -> None:
    class Full:
        def write(self, *_: object) -> None:
            raise RuntimeError(text)

        def close(self) -> None:
            raise RuntimeError(text)

        flush = close

    store = RocksStore(tmp_path / "store")
    real, store._db = store._db, Full()  # type: ignore[assignment]
    try:
        with pytest.raises(kind):
            store.write(0, put(latest={b"a": b"1"}))
        if kind is StoreFullError:
            store.close()  # says so in the log; a worker that ends has to get there
    finally:
        real.close()
