"""Binding by example: who may change a selector, what is refused, and what an operator's release does."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from processors.compactor.known import Known, read_told
from processors.compactor.messages import Output
from processors.compactor.metrics import Metrics
from processors.compactor.reading import BOUND
from processors.compactor.rules import CHANGED, IGNORED, LATE, REFUSED, UNCHANGED
from schemas.records import Latest, Removed, Report, decode_latest, decode_removed, encode
from tests.unit.compactor.logs import HOUR, RULES, T0, Folds, compact, entry, report

ANN: dict[str, Any] = {"authenticated_username": "ann"}
BOB: dict[str, Any] = {"authenticated_username": "bob"}


def release(to: str | None = None, **given: Any) -> Report:
    """An operator's release, as `pushtokens release` makes it."""
    return report(kind="release", **({"origin": "operator", "authenticated_username": to or UNSET} | given))


def removal(**given: Any) -> Report:
    return report(kind="removal", **given)


def play(*told: Report, sizes: Sequence[int] = (), known: Known | None = None) -> Folds:
    """A log of these; those received an hour before `T0` reach it late."""
    entries = [entry(at, one, HOUR if one.received_at < T0 else 10) for at, one in enumerate(told)]
    return compact(entries, sizes or [1] * len(told), known=known)


def bound(found: Folds) -> str | None:
    """Whom the selector is bound to at the end."""
    state = found.states.get(b"S:1")
    return None if state is None else state.bound_to or None


def did(found: Folds) -> list[str]:
    """What each record did."""
    return [name for part in found.parts for name, count in part.counts.items() if count]


@pytest.mark.parametrize(
    ("told", "whom"),
    [
        ([report(calls="c", **ANN)], "ann"),
        ([report(calls="c")], None),
        ([report(calls="c", authenticated_username="")], None),
        ([report(calls="c"), report(calls="c", **ANN)], "ann"),  # reported before authentication was switched on
        ([report(calls="c"), report(**ANN)], "ann"),
        ([report(calls="c"), report(calls="c", **ANN), report(calls="d", **ANN)], "ann"),
        ([report(**ANN)], None),  # nothing is known of it
        ([report(calls="c"), report(at=T0 - HOUR, calls="b", **ANN)], "ann"),  # history only, but somebody's
        ([removal(**ANN)], "ann"),
        ([report(calls="c"), removal(**ANN)], "ann"),
        ([removal(), report(at=T0 + 1, calls="c", **ANN)], "ann"),
        ([removal(), report(at=T0 + 1, **ANN)], None),
        ([report(calls="c", other="o"), report(calls="d"), removal(calls="c", **ANN)], "ann"),
        ([report(calls="c", origin="import", **ANN)], None),
        ([report(calls="c", origin="operator", **ANN)], None),
        ([report(calls="c"), report(other="o", origin="import", **ANN)], None),
        ([report(calls="c", origin="some-gateway", **ANN)], "ann"),
        ([report(calls="c"), report(kind="blink", **ANN)], None),
    ],
)
def test_the_first_authenticated_account_binds(told: list[Report], whom: str | None) -> None:
    found = play(*told)
    assert bound(found) == whom
    assert REFUSED not in did(found)


@pytest.mark.parametrize("by", [BOB, {}, {"authenticated_username": ""}])
@pytest.mark.parametrize(
    "other",
    [
        report(calls="evil"),
        report(calls="c"),
        report(other="evil"),
        report(),
        report(calls="c", username="bob"),
        removal(),
        removal(calls="c"),
        removal(reason="forget"),  # an erasure is the operator's
        report(at=T0 - HOUR, calls="evil"),
        report(at=T0 + 30 * HOUR, calls="c"),
        report(calls="evil", origin="some-gateway"),
    ],
)
def test_what_comes_under_another_account_changes_nothing(by: dict[str, Any], other: Report) -> None:
    """Neither the state nor the topics, but `rejected`: at once, with a log-out in between, and with fingerprints."""
    told = replace(other, **by)
    for before in ([report(calls="c", **ANN)], [report(calls="c", **ANN), removal(**ANN)]):
        for known in (None, Known(RULES.touch_interval, 1024)):
            alone, found = play(*before), play(*before, told, known=known)
            assert found.states == alone.states
            assert found.whole.changes == alone.whole.changes
            assert [(bad.reason, bad.source and bad.source.offset) for bad in found.whole.rejected] == [
                (BOUND, len(before))
            ]
            assert did(found)[-1] == REFUSED


@pytest.mark.parametrize("origin", ["import", "operator"])
@pytest.mark.parametrize("by", [BOB, {}])
def test_the_operators_own_records_are_not_refused(origin: str, by: dict[str, Any]) -> None:
    found = play(report(calls="c", **ANN), report(other="o", origin=origin, **by))
    state = found.states[b"S:1"]
    assert isinstance(state, Latest)
    assert (state.other and state.other.token, state.bound_to) == ("o", "ann")


def test_a_log_out_does_not_unbind() -> None:
    found = play(report(calls="c", **ANN), removal(at=T0 + 1, **ANN))
    state = found.states[b"S:1"]
    assert isinstance(state, Removed)
    assert (state.bound_to, state.calls_removed_at) == ("ann", T0 + 1)
    back = play(report(calls="c", **ANN), removal(at=T0 + 1, **ANN), report(at=T0 + 2, calls="d", **ANN))
    assert (did(back), bound(back)) == ([CHANGED] * 3, "ann")


ERASURE = removal(at=T0 + 1, reason="forget", origin="operator")


@pytest.mark.parametrize(
    ("told", "whom"),
    [
        ([ERASURE], None),
        ([removal(**ANN), ERASURE], None),
        ([ERASURE, removal(at=T0 + 2, **ANN)], None),  # the phone logs out later: its account's name stays away
        ([ERASURE, report(at=T0 - HOUR, calls="c", **ANN)], None),  # under way when it was erased
        ([ERASURE, report(at=T0 + 2, calls="c", **BOB)], "bob"),
        ([ERASURE, report(at=T0 + 2, calls="c", **ANN)], "ann"),
    ],
)
def test_an_erasure_leaves_no_name_behind(told: list[Report], whom: str | None) -> None:
    found = play(report(calls="c", **ANN), *told)
    assert bound(found) == whom
    assert REFUSED not in did(found)


def test_an_erasure_that_comes_late_leaves_what_was_reported_since() -> None:
    late = removal(at=T0 - HOUR, reason="forget", origin="operator")
    assert bound(play(report(calls="c", **ANN), late)) == "ann"


def test_a_removal_keeps_what_a_release_bound_after_an_erasure() -> None:
    told = [report(calls="c", **ANN), ERASURE, release("bob", at=T0 + 2), removal(at=T0 + 3, **BOB)]
    assert bound(play(*told)) == "bob"


@pytest.mark.parametrize("gone", [[], [removal(**ANN)]])
@pytest.mark.parametrize("to", [None, "bob"])
def test_after_a_release_the_other_one_is_taken(to: str | None, gone: list[Report]) -> None:
    before = [report(calls="c", **ANN), *gone]
    found = play(*before, report(calls="d", **BOB), release(to), report(calls="d", **BOB), report(calls="c", **ANN))
    assert did(found)[len(before) :] == [REFUSED, CHANGED, CHANGED, REFUSED]
    state = found.states[b"S:1"]
    assert isinstance(state, Latest)
    assert (state.calls and state.calls.token, state.bound_to) == ("d", "bob")


def test_released_to_another_it_refuses_the_former_one_at_once() -> None:
    found = play(report(calls="c", **ANN), release("bob"), report(calls="c", **ANN), report(calls="c"))
    assert did(found) == [CHANGED, CHANGED, REFUSED, REFUSED]


@pytest.mark.parametrize("gone", [[], [removal(**ANN)]])
@pytest.mark.parametrize(
    ("told", "what"),
    [
        (report(at=T0 - HOUR, calls="b", **ANN), LATE),
        (report(at=T0 + 8, calls="d", **ANN), CHANGED),  # not late: it was confirmed, so it is kept
        (removal(at=T0 + 8, **ANN), CHANGED),
        (report(at=T0 + 8, calls="d", **BOB), CHANGED),  # of whom it is not known either that it is not the former one
    ],
)
def test_what_was_received_before_a_release_does_not_bind(told: Report, what: str, gone: list[Report]) -> None:
    before = [report(calls="c", **ANN), *gone, release(at=T0 + 9), told]
    found = play(*before)
    assert (bound(found), did(found)[-1], found.whole.rejected) == (None, what, [])
    unauthenticated = report(at=T0 + 8, calls="e")
    after = play(*before, unauthenticated, report(at=T0 + 9, calls="f", **BOB), report(at=T0 + 7, calls="g", **ANN))
    assert (bound(after), did(after)[-3:]) == ("bob", [CHANGED, CHANGED, REFUSED])
    state = after.states[b"S:1"]
    assert isinstance(state, Latest)
    assert state.released_at is UNSET


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([release()], UNCHANGED),  # nothing is known of it
        ([release("bob")], UNCHANGED),
        ([report(calls="c"), release()], UNCHANGED),
        ([report(calls="c"), release("ann")], CHANGED),
        ([report(calls="c", **ANN), release("ann")], UNCHANGED),
        ([report(calls="c", **ANN), release(origin="app")], IGNORED),  # only an operator releases
        ([report(calls="c", **ANN), release(origin="import")], IGNORED),
        ([report(calls="c", **ANN), release("bob", origin="app")], IGNORED),
    ],
)
def test_what_a_release_does(told: list[Report], expected: str) -> None:
    found = play(*told)
    assert did(found)[-1] == expected
    assert found.whole.rejected == []
    assert len(found.whole.changes) == len(told) - 1


def test_a_late_report_of_history_only_still_says_late() -> None:
    assert did(play(report(calls="c", **ANN), report(at=T0 - HOUR, calls="b", **ANN))) == [CHANGED, LATE]


def test_refused_ones_do_not_keep_a_selector_alive() -> None:
    """`last_seen` is the account's own: at its touch interval, the refused one has not been written."""
    found = play(report(calls="c", **ANN), report(at=T0 + RULES.touch_interval, calls="c", **BOB))
    state = found.states[b"S:1"]
    assert isinstance(state, Latest)
    assert state.last_seen == T0


def test_the_same_tokens_under_another_account_are_told_by_the_fingerprint() -> None:
    told = [report(calls="c", username="x", **ANN)] * 3 + [report(calls="c", username="x", **BOB)]
    for sizes in ([1, 1, 1, 1], [3, 1], [4]):
        found = play(*told, sizes=sizes, known=Known(RULES.touch_interval, 1024))
        assert [bad.source and bad.source.offset for bad in found.whole.rejected] == [3]
    assert [len(step.news) for step in play(*told, known=Known(RULES.touch_interval, 1024)).steps[:4]] == [1, 1, 0, 1]


def test_a_refused_report_is_refused_however_often_it_is_repeated() -> None:
    told = [report(calls="c", **ANN)] * 2 + [report(calls="c", **BOB)] * 3 + [report(calls="c", **ANN)] * 2
    found = play(*told, known=Known(RULES.touch_interval, 1024))
    assert [bad.source and bad.source.offset for bad in found.whole.rejected] == [2, 3, 4]


def test_a_fingerprint_from_the_store_knows_the_account() -> None:
    state = play(report(calls="c", **ANN)).states[b"S:1"]
    assert isinstance(state, Latest)
    for by, news in ((ANN, 0), (BOB, 1), ({}, 1)):
        known = Known(RULES.touch_interval, 1024)
        known.fill([(b"S:1", read_told(encode(state)))])
        again = compact([entry(1, report(calls="c", **by))], [], known=known, states={b"S:1": state})
        assert len(again.steps[0].news) == news


def test_what_rejected_is_told() -> None:
    """All that an operator needs to decide, nothing of a token, and not to whom the selector is bound."""
    told = report(calls=("tell-nobody", "app.one"), username="bobby", user_agent="a" * 999, install_id="i", **BOB)
    (bad,) = play(report(calls="c", **ANN), told).whole.rejected
    assert (bad.reason, bad.field, bad.source and bad.source.offset) == (BOUND, "authenticated_username", 1)
    assert bad.input == {
        "kind": "report",
        "selector": "S:1",
        "username": "bobby",
        "authenticated_username": "bob",
        "install_id": "i",
        "user_agent": "a" * 256,
        "calls_token": "<token 11>",
        "calls_app_id": "app.one",
        "other_token": None,
        "other_app_id": None,
    }
    shown = encode(bad)
    assert b"tell-nobody" not in shown and b"ann" not in shown
    (open_,) = play(report(calls="c", **ANN), report(calls="d")).whole.rejected
    assert "nobody was authenticated" in open_.detail


def test_the_topics_carry_the_binding_and_leave_it_out_where_there_is_none() -> None:
    bound_ = Output(*play(report(calls="c", **ANN)).parts).latest_values[b"S:1"]
    open_ = Output(*play(report(calls="c")).parts).latest_values[b"S:1"]
    gone = Output(*play(report(calls="c", **ANN), removal(**ANN)).parts).removals_values[b"S:1"]
    assert bound_ is not None and open_ is not None and gone is not None
    assert (decode_latest(bound_).bound_to, decode_removed(gone).bound_to) == ("ann", "ann")
    assert b"bound_to" not in open_


def test_refusals_are_counted() -> None:
    metrics = Metrics()
    assert b"pushtokens_compactor_bound_refused_total 0.0" in metrics.text()
    output = Output(*play(report(calls="c", **ANN), report(calls="d", **BOB), report(calls="d")).parts)
    metrics.batch(3, output.counts, output.changed, output.reasons, 0.1, 0.2)
    text = metrics.text().decode()
    assert "pushtokens_compactor_bound_refused_total 2.0" in text
    assert 'pushtokens_compactor_rejected_total{reason="bound_to_other"} 2.0' in text
    assert 'pushtokens_compactor_dispositions_total{disposition="refused"} 2.0' in text
