"""What wrk says, and what becomes of it: figures, ratios, bounds."""

import json

import pytest

from benchmarks.ingestion.profile import own_and_below, package
from benchmarks.ingestion.race import Run
from benchmarks.ingestion.summary import bounds, figures, markdown, ratios
from benchmarks.ingestion.wrk import LoadError, Mix, parse

LINE = {
    "requests": 50_000,
    "microseconds": 2_000_000,
    "p50": 4200,
    "p99": 9100,
    "p999": 12_000,
    "longest": 20_000,
    "connect": 0,
    "read": 0,
    "write": 0,
    "status": 0,
    "timeout": 0,
}
WRK = "Running 2s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\nRequests/sec:  25000.00\n\n"


def run(contender: str, rate: float, *, connections: int = 64, mix: Mix = "get", longest: float = 20.0) -> Run:
    return Run(
        contender=contender,
        partitions=2,
        mix=mix,
        connections=connections,
        requests=int(rate),
        rate=rate,
        p50_ms=1.0,
        p99_ms=2.0,
        p999_ms=3.0,
        longest_ms=longest,
        cpu_us=1e6 / rate,
        peaks_mib=(60.0, 40.0),
    )


def test_the_last_line_of_wrk_is_read() -> None:
    load = parse(WRK + json.dumps(LINE) + "\n")
    assert (load.rate, load.p999, load.errors) == (25_000.0, 12_000, {})


@pytest.mark.parametrize("kind", ["connect", "read", "write", "status", "timeout"])
def test_whatever_went_wrong_is_told(kind: str) -> None:
    assert parse(json.dumps(LINE | {kind: 3})).errors == {kind: 3}


@pytest.mark.parametrize("output", ["", WRK, WRK + "{}", WRK + '{"requests": 1'])
def test_wrk_without_figures_is_an_error_with_what_it_said(output: str) -> None:
    with pytest.raises(LoadError, match="unable to connect"):
        parse(output, "unable to connect to 127.0.0.1:1 Connection refused")


def test_a_figure_is_the_median_of_its_rounds_and_the_worst_memory() -> None:
    found = figures([run("ours", rate) for rate in (900.0, 100.0, 500.0)] + [run("noop", 1000.0)])
    assert [(each.contender, each.rate, each.lowest, each.highest) for each in found] == [
        ("ours", 500.0, 100.0, 900.0),
        ("noop", 1000.0, 1000.0, 1000.0),
    ]
    assert (found[0].rounds, found[0].peak_mib, found[0].largest_mib) == (3, 100.0, 60.0)


def test_ratios_are_within_one_case() -> None:
    found = ratios(figures([run("ours", 600.0), run("noop", 1000.0), run("noop", 10.0, connections=512)]))
    assert [(each["to"], each["connections"], each["rate"]) for each in found] == [("noop", 64, 0.6)]
    assert found[0]["cpu"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("ours", "at_512", "longest", "missed"),
    [
        (600.0, 480.0, 20.0, []),
        (599.0, 600.0, 20.0, ["ours over noop"]),
        (539.0, 539.0, 20.0, ["ours over noop", "ours over plain"]),
        (600.0, 479.0, 20.0, ["ours at 512 connections over 64"]),
        (600.0, 600.0, 2001.0, ["longest answer"]),
    ],
)
def test_bounds(ours: float, at_512: float, longest: float, missed: list[str]) -> None:
    runs = [run("ours", ours), run("noop", 1000.0), run("plain", 300.0)]
    found = figures([*runs, run("ours", at_512, connections=512, longest=longest)])
    wrong = [each.what for each in bounds(found) if not each.met]
    assert len(wrong) == len(missed)
    assert all(text in what for text, what in zip(missed, wrong, strict=True))


def test_what_did_not_run_is_not_asked_for() -> None:
    assert bounds(figures([run("go", 1000.0), run("noop", 1000.0)])) == []


def test_tables_say_what_was_missed_and_left_out() -> None:
    document = {
        "machine": {"measured_at": "2026-11-24T00:00:00", "cores": 2, "processor": "one", "load_1m": 0.1},
        "wrk": "wrk 4.1.0",
        "rounds": 1,
        "seconds": 4,
        "left_out": {"go": "no Go toolchain"},
    }
    text = markdown(document, figures([run("ours", 500.0), run("noop", 1000.0)]))
    assert "| noop | 1,000 | 0.50 x | 1.0 | 2.0 | 3.0 | 1000.0 | 100 |" in text
    assert "ours over noop: 0.50 (asked: at least 0.6) **missed**" in text
    assert "not run: go: no Go toolchain" in text


def test_a_profile_counts_own_time_and_what_is_below() -> None:
    own, anywhere = own_and_below(["a (x/y.py:1);b (x/z.py:2) 3", "a (x/y.py:1) 1", "a (x/y.py:1);a (x/y.py:1) 2"])
    assert own == {"b (x/z.py:2)": 3, "a (x/y.py:1)": 3}
    assert anywhere == {"b (x/z.py:2)": 3, "a (x/y.py:1)": 6}


@pytest.mark.parametrize(
    ("frame", "name"),
    [("publish (ingest/kafka_sink.py:64)", "ingest"), ("f (uvloop.so)", "uvloop.so"), ("[idle]", "[idle]")],
)
def test_the_package_of_a_frame(frame: str, name: str) -> None:
    assert package(frame) == name
