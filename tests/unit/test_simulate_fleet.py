"""The fleet's day: the same plan gives the same stream, and phones behave as phones do."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise, starmap
from urllib.parse import unquote, unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.simulate import fleet
from deploy.simulate.day import DAY_MS, moment
from deploy.simulate.fleet import Plan, requests
from deploy.simulate.phone import Phone, Version, phone
from deploy.simulate.request import Request, Wire
from deploy.simulate.shapes import ONE_PAIR, PASSWORD, TWO_PAIRS, shape_of

PLANS = st.builds(
    Plan,
    accounts=st.integers(1, 60),
    reports=st.integers(1, 250),
    seed=st.integers(-(2**63), 2**63),
    marked=st.booleans(),
)
LARGE = Plan(accounts=300, reports=6000, seed=4)


def by_phone(stream: Iterable[Request]) -> dict[int, list[Request]]:
    found: dict[int, list[Request]] = defaultdict(list)
    for request in stream:
        found[request.phone].append(request)
    return found


@given(plan=PLANS)
@settings(max_examples=60, deadline=None)
def test_the_same_plan_plays_the_same_day(plan: Plan) -> None:
    assert list(requests(plan)) == list(requests(plan))


def test_another_seed_plays_another_day() -> None:
    first, second = (list(requests(Plan(accounts=20, reports=50, seed=seed))) for seed in (1, 2))
    assert not {request.told and request.told.selector for request in first if request.told} & {
        request.told and request.told.selector for request in second if request.told
    }


@given(plan=PLANS)
@settings(max_examples=60, deadline=None)
def test_a_day_has_the_asked_number_of_requests_in_order_of_time(plan: Plan) -> None:
    stream = list(requests(plan))
    assert [request.number for request in stream] == list(range(plan.reports))
    assert all(0 <= request.phone < plan.accounts and 0 <= request.at < DAY_MS for request in stream)
    assert all(before.at <= after.at for before, after in pairwise(stream))


@given(plan=PLANS)
@settings(max_examples=60, deadline=None)
def test_what_a_phone_does_has_an_order(plan: Plan) -> None:
    for life in by_phone(requests(plan)).values():
        kinds = [request.kind for request in life]
        assert kinds[0] in ("first", "first_half")
        assert kinds.count("first") + kinds.count("first_half") >= 1
        for before, after in pairwise(kinds):
            assert (before == "first_half") == (after == "second_half")
            assert (before == "logged_out") == (after == "login")
        assert kinds[-1] != "first_half", "the day ends with whole pairs"


def test_days_end_whole_and_before_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Second halves that are hours late fall on the day's last moments."""
    monkeypatch.setattr(fleet, "_SECOND_HALF_MS", (1, DAY_MS // 2))
    for seed in range(50):
        stream = list(requests(Plan(accounts=40, reports=40, seed=seed)))
        assert [request.number for request in stream] == list(range(40))
        assert stream[-1].at < DAY_MS
        halves = Counter(request.kind for request in stream)
        assert halves["first_half"] == halves["second_half"]


@given(plan=PLANS)
@settings(max_examples=60, deadline=None)
def test_tokens_stay_unless_something_happened(plan: Plan) -> None:
    for life in by_phone(requests(plan)).values():
        told = [(request.kind, request.told) for request in life if request.told and request.told.kind == "report"]
        for (_, before), (kind, after) in pairwise(told):
            same = (before.calls, before.other) == (after.calls, after.other)
            if kind in ("start", "login"):
                assert same
            if kind in ("rotated", "reinstalled"):
                assert not same
            if kind == "second_half":
                assert before.other is None and after.other is not None and before.calls == after.calls
            if kind != "reinstalled" and kind != "first_half":
                assert before.install_id == after.install_id
            assert (before.selector, before.username) == (after.selector, after.username)


def test_a_large_day_has_everything_in_it() -> None:
    stream = list(requests(LARGE))
    kinds, shapes = Counter(request.kind for request in stream), Counter(request.shape for request in stream)
    assert set(kinds) == {
        *("first", "first_half", "second_half", "start", "rotated", "reinstalled", "logged_out", "login", "broken")
    }
    assert kinds["start"] > 0.8 * len(stream), "mostly unchanged tokens"
    assert set(shapes) >= {*TWO_PAIRS, *ONE_PAIR, "removal_get", "removal_form", "removal_delete"}
    assert {request.expect for request in stream if request.kind == "broken"} == {400, 404, 405, 413, 415}
    assert {request.wire.method for request in stream} == {"GET", "POST", "PUT", "DELETE", "PATCH"}


def test_exactly_the_broken_requests_expect_a_refusal_and_tell_nothing() -> None:
    for request in requests(LARGE):
        assert (request.kind == "broken") == (request.expect != 200) == (request.told is None)
        assert (request.kind == "logged_out") == (request.told is not None and request.told.kind == "removal")


def written(wire: Wire) -> str:
    """Everything a request says, unescaped for reading."""
    return unquote_plus(wire.target) + unquote(wire.target) + unquote_plus(wire.body.decode()) + wire.body.decode()


def test_what_is_told_is_written_in_the_request() -> None:
    for request in requests(LARGE):
        if (told := request.told) is None:
            continue
        text = written(request.wire)
        tokens = [pair.token for pair in (told.calls, told.other) if pair]
        assert all(value in text for value in (told.selector, told.username or "", told.install_id or "", *tokens))
        if told.kind == "report" and told.other is None:
            assert phone(LARGE.seed, request.phone, Version()).other.token not in text


def test_passwords_are_sent_for_the_edge_to_drop() -> None:
    assert sum(PASSWORD in written(request.wire) for request in requests(LARGE)) > 1000


def test_marked_requests_can_be_told_apart() -> None:
    plan = Plan(accounts=10, reports=40, seed=9, marked=True)
    agents = [request.user_agent for request in requests(plan)]
    assert [agent.rpartition(" ")[2] for agent in agents] == [f"sim/9-{number}" for number in range(40)]
    assert not any("sim/" in request.user_agent for request in requests(Plan(accounts=10, reports=40, seed=9)))


def test_phones_are_of_both_kinds_and_some_users_have_two() -> None:
    fleet = [phone(1, number, Version()) for number in range(2000)]
    assert 0.4 < sum(each.platform == "ios" for each in fleet) / len(fleet) < 0.5
    assert len({each.selector for each in fleet}) == len(fleet)
    assert len({each.username for each in fleet}) == len(fleet) - 100
    assert all(each.calls is not None for each in fleet if each.platform == "ios")


@given(seed=st.integers(), number=st.integers(0, 10**8), counts=st.tuples(*[st.integers(0, 3)] * 3))
def test_one_pair_shapes_only_where_one_pair_says_all(seed: int, number: int, counts: tuple[int, int, int]) -> None:
    each: Phone = phone(seed, number, Version(*counts))
    assert shape_of(each) not in ONE_PAIR or each.calls is None
    assert shape_of(each) == shape_of(phone(seed, number, Version())), "a phone keeps its ways"


@given(shares=st.lists(st.floats(0, 1), min_size=2))
def test_the_day_never_runs_backwards(shares: list[float]) -> None:
    moments = list(map(moment, sorted(shares)))
    assert moments == sorted(moments)
    assert all(0 <= at < DAY_MS for at in moments)


def test_mornings_are_busier_than_nights() -> None:
    hours = Counter(moment(step / 10_000) // 3_600_000 for step in range(10_000))
    assert set(hours) == set(range(24))
    assert hours[8] > 5 * hours[3]


WIRES = [
    (Wire(method="GET", target="/token/?a=b"), "GET /token/?a=b HTTP/1.1|Host: h:1|User-Agent: ua||"),
    (
        Wire(method="POST", target="/", content_type="text/plain", body=b"xy"),
        "POST / HTTP/1.1|Host: h:1|User-Agent: ua|Content-Type: text/plain|Content-Length: 2||xy",
    ),
    (
        Wire(method="POST", target="/", body=b"xyz", length=1),
        "POST / HTTP/1.1|Host: h:1|User-Agent: ua|Content-Length: 1||xyz",
    ),
]


def test_the_bytes_of_a_request() -> None:
    assert list(starmap(lambda wire, _: wire.encode("h:1", "ua", False).decode(), WIRES)) == [
        text.replace("|", "\r\n") for _, text in WIRES
    ]
    assert b"\r\nConnection: close\r\n" in WIRES[0][0].encode("h:1", "ua", True)
