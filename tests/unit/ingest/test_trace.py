"""W3C Trace Context, level 1: what is carried on, what is ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.http_request import head_of
from ingest.record import report_message
from ingest.trace import trace_headers
from tests.unit.ingest.many import many

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
PARENT = b"00-" + TRACE + b"-" + SPAN + b"-01"


def carried(parent: bytes, *states: bytes) -> dict[str, bytes]:
    request = [(b"host", b"h"), (b"traceparent", parent), *((b"tracestate", state) for state in states)]
    return dict(trace_headers(request))


@pytest.mark.parametrize(
    ("parent", "passed"),
    [
        (PARENT, PARENT),
        (b" " + PARENT + b"\t", PARENT),
        (PARENT[:-2] + b"ff", PARENT[:-2] + b"ff"),
        # Of a later version only what this one knows.
        (b"cc" + PARENT[2:], PARENT),
        (b"cc" + PARENT[2:] + b"-what-the-future-brings", PARENT),
        (b"cc" + PARENT[2:-2] + b"fe", PARENT[:-2] + b"00"),
    ],
)
def test_a_trace_is_carried(parent: bytes, passed: bytes) -> None:
    assert carried(parent) == {"traceparent": passed}


@pytest.mark.parametrize(
    "parent",
    [
        b"",
        b"00",
        PARENT[:-1],
        PARENT.upper(),
        PARENT + b"-more",
        PARENT + b".",
        PARENT + b"\n",
        b"ff" + PARENT[2:],
        b"cc" + PARENT[2:] + b".more",
        b"0x" + PARENT[2:],
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        b"00-" + TRACE[:-1] + b"g-" + SPAN + b"-01",
        b"00-" + TRACE + b"_" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + SPAN + b"-0g",
        PARENT.replace(b"4bf9", "4bf٩".encode()),
    ],
)
def test_what_breaks_a_rule_is_as_good_as_none(parent: bytes) -> None:
    assert carried(parent, b"vendor=value") == {}


def test_two_parents_are_none_and_a_state_alone_says_nothing() -> None:
    assert trace_headers([(b"traceparent", PARENT), (b"traceparent", PARENT)]) == []
    assert trace_headers([(b"tracestate", b"a=b")]) == []


@pytest.mark.parametrize(
    ("states", "passed"),
    [
        ((b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",), b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ((b"a=1", b" b=2 , ,c=3,"), b"a=1,b=2,c=3"),
        ((b"tenant@vendor=x y",), b"tenant@vendor=x y"),
        ((b",".join(b"k%d=v" % number for number in range(32)),), b",".join(b"k%d=v" % n for n in range(32))),
    ],
)
def test_a_state_is_carried(states: tuple[bytes, ...], passed: bytes) -> None:
    assert carried(PARENT, *states) == {"traceparent": PARENT, "tracestate": passed}


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b" , ",
        b"a",
        b"=b",
        b"a=",
        b"A=b",
        b"a=b=c",
        b"a=1,a=2",
        b"a=\x00",
        b"a=\xc3\xa9",
        b"1a=b",  # only a key with a tenant begins with a digit
        b"a=" + b"v" * 257,
        b"a" * 257 + b"=v",
        b",".join(b"k%d=v" % number for number in range(33)),
        b"a=b," + b" " * 9000,
    ],
)
def test_a_state_that_breaks_a_rule_is_left_out(state: bytes) -> None:
    assert carried(PARENT, state) == {"traceparent": PARENT}


def test_a_long_state_loses_its_long_members_first_then_its_oldest() -> None:
    long, short = b"long=" + b"v" * 200, [b"k%02d=" % number + b"v" * 36 for number in range(12)]
    kept = carried(PARENT, b",".join([short[0], long, *short[1:]]))["tracestate"].split(b",")
    assert kept == short[:12] and len(b",".join(kept)) <= 512
    kept = carried(PARENT, b",".join([*short, b"more=" + b"v" * 100]))["tracestate"].split(b",")
    assert kept == short


@many(300)
@given(st.binary(max_size=80), st.lists(st.binary(max_size=700), max_size=3))
def test_whatever_is_sent_what_is_carried_is_bounded_and_valid(parent: bytes, states: list[bytes]) -> None:
    found = carried(PARENT if len(parent) % 2 else parent, *states)
    assert set(found) <= {"traceparent", "tracestate"}
    assert len(found.get("traceparent", PARENT)) == 55
    state = found.get("tracestate", b"a=b")
    assert state.isascii() and state.decode().isprintable() and 0 < len(state) <= 512


def test_the_trace_goes_into_the_record_and_nothing_where_there_is_none() -> None:
    def headers(*more: tuple[bytes, bytes]) -> dict[str, bytes]:
        head = head_of([(b"user-agent", b"x"), *more])
        return dict(report_message("report", {"selector": "s"}, 0, head.user_agent, None, head.trace).headers)

    usual = headers()
    traced = headers((b"traceparent", PARENT), (b"tracestate", b"a=b"))
    assert traced.keys() - usual.keys() == {"traceparent", "tracestate"}
    assert (traced["traceparent"], traced["tracestate"]) == (PARENT, b"a=b")
    assert usual.keys() == headers((b"traceparent", b"bad"), (b"tracestate", b"a=b")).keys()
