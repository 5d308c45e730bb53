"""Every rule of design.md section 5, by example: a history of reports, and what is known at its end."""

from typing import Any

import msgspec
import pytest

from processors.compactor.merge import merge
from processors.compactor.rules import CHANGED, IGNORED, LATE, REPLAYED, UNCHANGED, Outcome, State
from schemas.records import Latest, Removed, Report, Slot, Source
from tests.unit.compactor.logs import HOUR, RULES, T0, report

DAY = 24 * HOUR
SECOND = 1_000


def play(*reports: Report, delay: int = 10, start: int = 0) -> tuple[State, list[Outcome]]:
    """Merge reports in log order, each appended `delay` ms after it was received."""
    state: State = None
    outcomes = []
    for offset, made in enumerate(reports, start):
        source = Source(log_id="A", partition=0, offset=offset)
        outcomes.append(merge(state, made, source, made.received_at + delay, RULES))
        state = outcomes[-1].state
    return state, outcomes


def late(made: Report) -> Report:
    """Marks a report as late for `play_late`."""
    return msgspec.structs.replace(made, install_id="late")


def play_late(*reports: Report) -> tuple[State, list[Outcome]]:
    """As `play`; those marked `late` reach the log an hour after they were received."""
    state: State = None
    outcomes = []
    for offset, made in enumerate(reports):
        source = Source(log_id="A", partition=0, offset=offset)
        delay = HOUR if made.install_id == "late" else 10
        outcomes.append(merge(state, made, source, made.received_at + delay, RULES))
        state = outcomes[-1].state
    return state, outcomes


def tokens(state: State) -> tuple[str | None, str | None]:
    """What the slots hold."""
    assert isinstance(state, Latest)
    return (state.calls.token if state.calls else None), (state.other.token if state.other else None)


def kinds(outcome: Outcome) -> list[tuple[str, str | None]]:
    """The changes by name and slot."""
    return [(change.change, change.slot) for change in outcome.changes]


def removal(at: int = T0, **given: Any) -> Report:
    """A removal."""
    return report(at=at, kind="removal", **given)


def test_registers_both_slots() -> None:
    state, (done,) = play(report(username="ann", calls=("c1", "app"), other="o1"))
    assert isinstance(state, Latest)
    assert state.calls == Slot(token="c1", app_id="app", since=T0, rotations=0)
    assert state.other == Slot(token="o1", app_id=None, since=T0, rotations=0)
    assert (state.username, state.first_seen, state.last_seen) == ("ann", T0, T0)
    assert kinds(done) == [("registered", "calls"), ("registered", "other")]
    assert [change.id for change in done.changes] == ["A-0-0-calls", "A-0-0-other"]


def test_absent_never_overwrites_the_ios_order() -> None:
    state, outcomes = play(
        report(calls="c1"), report(at=T0 + 1, calls="c1", other="o1"), report(at=T0 + 2, calls="c1", other=None)
    )
    assert tokens(state) == ("c1", "o1")
    assert [kinds(done) for done in outcomes] == [[("registered", "calls")], [("registered", "other")], []]


def test_a_report_without_tokens_makes_nothing_known() -> None:
    state, (done,) = play(report(username="ann"))
    assert state is None
    assert done.disposition == UNCHANGED


def test_the_same_again_is_the_same_object() -> None:
    state, outcomes = play(report(calls=("c", "a")), report(at=T0 + SECOND, calls=("c", "a")))
    assert state is outcomes[0].state
    assert outcomes[1].disposition == UNCHANGED


@pytest.mark.parametrize(("passed", "written"), [(DAY - 1, False), (DAY, True)])
def test_last_seen_is_written_once_per_touch_interval(passed: int, written: bool) -> None:
    state, outcomes = play(report(calls="c"), report(at=T0 + passed, calls="c"))
    assert isinstance(state, Latest)
    assert state.last_seen == (T0 + passed if written else T0)
    assert outcomes[1].changes == ()
    assert outcomes[1].disposition == (CHANGED if written else UNCHANGED)


def test_rotation_says_what_was_and_how_old() -> None:
    state, outcomes = play(report(calls=("c1", "a")), report(at=T0 + 5, calls=("c2", "b")))
    assert isinstance(state, Latest)
    assert state.calls == Slot(token="c2", app_id="b", since=T0 + 5, rotations=1)
    (change,) = outcomes[1].changes
    assert (change.change, change.token, change.app_id) == ("rotated", "c2", "b")
    assert (change.previous_token, change.previous_app_id, change.previous_age_ms) == ("c1", "a", 5)


@pytest.mark.parametrize("absent", [None, ""])
def test_token_without_app_id_keeps_the_known_one_if_the_token_is_the_same(absent: str | None) -> None:
    state, _ = play(report(calls=("c1", "a")), report(calls=("c1", absent)))
    assert isinstance(state, Latest)
    assert state.calls is not None and state.calls.app_id == "a"
    state, _ = play(report(calls=("c1", "a")), report(calls=("c2", absent)))
    assert isinstance(state, Latest)
    assert state.calls is not None and state.calls.app_id is None


def test_same_token_new_app_id_is_app_changed() -> None:
    state, outcomes = play(report(calls=("c1", "a")), report(at=T0 + 9, calls=("c1", "b")))
    assert isinstance(state, Latest)
    assert state.calls == Slot(token="c1", app_id="b", since=T0, rotations=0)
    assert kinds(outcomes[1]) == [("app_changed", "calls")]


def test_username_absent_is_kept_and_different_is_account_changed() -> None:
    state, outcomes = play(
        report(calls="c", username="ann"), report(calls="c"), report(calls="c", username=""), report(username="bob")
    )
    assert isinstance(state, Latest)
    assert state.username == "bob"
    assert [kinds(done) for done in outcomes[1:]] == [[], [], [("account_changed", None)]]
    (change,) = outcomes[3].changes
    assert (change.previous_username, change.username, change.id) == ("ann", "bob", "A-0-3-account")


def test_selector_case_is_kept_as_sent() -> None:
    state, _ = play(report(selector="aBc:D", calls="c"))
    assert isinstance(state, Latest)
    assert state.selector == "aBc:D"


def test_removal_takes_both_slots_and_is_remembered() -> None:
    state, outcomes = play(report(calls="c", other="o"), removal(at=T0 + 7, reason="forget"))
    assert state == Removed(
        selector="S:1",
        calls_removed_at=T0 + 7,
        other_removed_at=T0 + 7,
        reason="forget",
        source=Source(log_id="A", partition=0, offset=1),
    )
    assert kinds(outcomes[1]) == [("removed", "calls"), ("removed", "other")]


def test_removal_that_names_the_held_tokens_takes_the_whole_selector() -> None:
    state, _ = play(report(calls="c", other="o"), removal(calls="c"))
    assert isinstance(state, Removed)


def test_removal_that_names_an_older_token_removes_only_what_it_names() -> None:
    state, outcomes = play(report(calls="c1", other="o"), report(calls="c2"), removal(calls="c1", other="o"))
    assert tokens(state) == ("c2", None)
    assert kinds(outcomes[2]) == [("removed", "other")]
    state, outcomes = play(report(calls="c1", other="o"), report(calls="c2"), removal(calls="c1"))
    assert tokens(state) == ("c2", "o")
    assert outcomes[2].disposition == UNCHANGED


def test_a_report_after_a_removal_registers_anew() -> None:
    state, outcomes = play(report(calls="c"), removal(at=T0 + 1), report(at=T0 + 2, calls="c"))
    assert isinstance(state, Latest)
    assert (state.first_seen, kinds(outcomes[2])) == (T0 + 2, [("registered", "calls")])


def test_removal_of_an_unknown_selector_is_remembered() -> None:
    state, outcomes = play_late(removal(at=T0 + HOUR), late(report(at=T0, calls="c")))
    assert isinstance(state, Removed)
    assert outcomes[1].disposition == LATE


def test_log_order_decides_among_records_that_are_not_late() -> None:
    state, _ = play(report(at=T0 + SECOND, calls="c1"), report(at=T0, calls="c2"))
    assert tokens(state) == ("c2", None)


@pytest.mark.parametrize(("delay", "kept"), [(5_000, "c2"), (5_001, "c1")])
def test_late_means_more_than_five_seconds(delay: int, kept: str) -> None:
    first = merge(None, report(at=T0 + 1, calls="c1"), Source(log_id="A", partition=0, offset=0), T0 + 1, RULES)
    made = report(at=T0, calls="c2")
    done = merge(first.state, made, Source(log_id="A", partition=0, offset=1), T0 + delay, RULES)
    assert tokens(done.state) == (kept, None)


def test_a_late_record_is_history_slot_by_slot() -> None:
    state, outcomes = play_late(report(at=T0 + 5, calls="c1"), late(report(at=T0, calls="c0", other="o0")))
    assert tokens(state) == ("c1", "o0")
    assert kinds(outcomes[1]) == [("registered", "other")]


def test_a_late_record_no_older_than_the_slot_applies() -> None:
    state, _ = play_late(report(at=T0, calls="c1"), late(report(at=T0, calls="c2")))
    assert tokens(state) == ("c2", None)


def test_a_late_record_older_than_the_removal_is_history_also_after_a_new_registration_of_the_other_slot() -> None:
    state, outcomes = play_late(
        report(at=T0, calls="c", other="o"),
        removal(at=T0 + 10),
        report(at=T0 + 20, calls="c"),
        late(report(at=T0 + 5, other="o")),
    )
    assert tokens(state) == ("c", None)
    assert outcomes[3].disposition == LATE


def test_a_late_record_does_not_bring_a_former_username_back() -> None:
    state, outcomes = play_late(
        report(at=T0, calls="c", username="ann"),
        report(at=T0 + 10, calls="c", username="bob"),
        late(report(at=T0 + 5, calls="c", username="ann")),
    )
    assert isinstance(state, Latest)
    assert state.username == "bob"
    assert outcomes[2].disposition == LATE


def test_a_late_removal_leaves_what_is_newer() -> None:
    state, outcomes = play_late(report(at=T0 + 10, calls="c"), late(removal(at=T0)))
    assert tokens(state) == ("c", None)
    assert kinds(outcomes[1]) == []


def test_an_offset_already_applied_changes_nothing() -> None:
    state, _ = play(report(calls="c1"), report(calls="c2"))
    for offset in (0, 1):
        done = merge(state, report(calls="c1"), Source(log_id="A", partition=0, offset=offset), T0, RULES)
        assert done == Outcome(state, (), REPLAYED)


def test_offsets_of_another_log_say_nothing() -> None:
    state, _ = play(report(calls="c1"), start=100)
    done = merge(state, report(calls="c2"), Source(log_id="B", partition=0, offset=0), T0, RULES)
    assert tokens(done.state) == ("c2", None)


def test_import_fills_absent_slots_only() -> None:
    state, outcomes = play(
        report(calls="c", username="ann"), report(origin="import", calls="x", other="y", username="zoe")
    )
    assert tokens(state) == ("c", "y")
    assert isinstance(state, Latest)
    assert state.username == "ann"
    assert kinds(outcomes[1]) == [("registered", "other")]
    assert outcomes[1].changes[0].origin == "import"


def test_import_makes_an_unknown_selector_known() -> None:
    state, _ = play(report(origin="import", calls="x"), delay=30 * DAY)
    assert tokens(state) == ("x", None)


@pytest.mark.parametrize("given", [{}, {"calls": "c1"}])
def test_import_never_fills_a_slot_that_was_removed(given: dict[str, Any]) -> None:
    state, outcomes = play(
        report(calls="c1", other="o1"),
        removal(at=T0 + 1),
        report(at=T0 + 2, other="o1"),
        report(origin="import", **given),
    )
    assert tokens(state) == (None, "o1")
    assert outcomes[3].disposition == IGNORED


def test_import_never_resurrects_a_removed_selector() -> None:
    state, outcomes = play(report(calls="c"), removal(), report(at=T0 + DAY, origin="import", calls="c", other="o"))
    assert isinstance(state, Removed)
    assert outcomes[2].disposition == IGNORED


def test_import_never_removes() -> None:
    state, outcomes = play(report(calls="c"), removal(origin="import"))
    assert tokens(state) == ("c", None)
    assert outcomes[1].disposition == IGNORED


def test_an_unknown_kind_is_ignored() -> None:
    state, (done,) = play(report(kind="blink", calls="c"))
    assert state is None
    assert done.disposition == IGNORED


def test_a_clock_that_runs_behind_gives_no_negative_age() -> None:
    _, outcomes = play(report(at=T0 + 3, calls="c1"), report(at=T0, calls="c2"))
    assert outcomes[1].changes[0].previous_age_ms == 0


def test_repr_shows_no_token() -> None:
    state, outcomes = play(report(calls="secret-1"), report(calls="secret-2"))
    assert "secret" not in f"{state!r} {outcomes!r} {outcomes[1].changes[0]}"
