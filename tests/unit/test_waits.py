"""How long the oldest waiting record has waited: never less than the truth, near to it under load and after a rest."""

from hypothesis import given
from hypothesis import strategies as st

from processors.compactor.metrics import Metrics
from processors.waits import Wait


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nothing_waits() -> None:
    assert Wait(Clock()).seconds(0) == 0.0


def test_before_anything_is_applied_it_is_the_time_since_the_take_over() -> None:
    clock = Clock()
    wait = Wait(clock)
    clock.now += 7
    assert wait.seconds(3) == 7.0


def test_a_backlog_is_as_old_as_the_newest_record_that_is_applied() -> None:
    clock = Clock()
    wait = Wait(clock)
    wait.applied(100_000)
    assert wait.seconds(3) == 900.0


def test_the_first_record_after_a_quiet_hour_has_not_waited_an_hour() -> None:
    clock = Clock()
    wait = Wait(clock)
    wait.applied(100_000)
    assert wait.seconds(0) == 0.0
    clock.now += 2
    assert wait.seconds(1) == 2.0


def test_stuck_it_grows() -> None:
    clock = Clock()
    wait = Wait(clock)
    wait.applied(999_000)
    wait.seconds(0)
    clock.now += 300
    assert wait.seconds(1) == 300.0


def test_a_broker_whose_clock_is_ahead_makes_nothing_negative() -> None:
    wait = Wait(Clock())
    wait.applied(2_000_000)
    assert wait.seconds(1) == wait.age(2_000_000) == 0.0


@given(st.lists(st.tuples(st.sampled_from(["append", "apply", "look"]), st.integers(0, 50)), max_size=40))
def test_it_is_never_less_than_what_the_oldest_has_waited(steps: list[tuple[str, int]]) -> None:
    clock = Clock()
    wait, log, applied = Wait(clock), [], 0
    for step, seconds in steps:
        clock.now += seconds
        if step == "append":
            log.append(clock.now)
        elif step == "apply" and applied < len(log):
            wait.applied(round(log[applied] * 1000))
            applied += 1
        elif step == "look":
            oldest = clock.now - log[applied] if applied < len(log) else 0.0
            assert wait.seconds(len(log) - applied) >= oldest


def test_the_worst_partition_counts_and_the_disk_is_looked_at() -> None:
    clock = Clock()
    late, early, metrics = Wait(clock), Wait(clock), Metrics()
    late.applied(990_000)
    early.applied(400_000)
    metrics.watch_disk("/")
    metrics.now([(late, 2), (early, 5)], owned=3, standby=1)
    text = metrics.text().decode()
    assert "pushtokens_compactor_lag_records 7.0" in text
    assert "pushtokens_compactor_lag_seconds 600.0" in text
    assert "pushtokens_compactor_partitions_ready 2.0" in text
    assert "pushtokens_compactor_disk_free_bytes 0.0" not in text
