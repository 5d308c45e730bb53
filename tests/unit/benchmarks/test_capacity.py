"""The capacity model: formulas and simulation say the same, nothing is lost on the way, and the page is up to date."""

import re
from math import inf, pi, sin
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from benchmarks import capacity as command
from benchmarks.sizing.costs import Costs, costs, origins
from benchmarks.sizing.fleet import DAY, Fleet, Storm, Wishes
from benchmarks.sizing.fluid import backlog, refused
from benchmarks.sizing.page import SIZES, bits, lagging, replaced, size
from benchmarks.sizing.picture import svg
from benchmarks.sizing.plan import capacity, evenly, plan
from benchmarks.sizing.storm import Capacity, Queue, play, poisson

COSTS = costs()
WISHES = Wishes()
AMPLE = Capacity(ingress_us=1e12, accept_us=100.0, refuse_us=50.0, brokers=1e9, compactor=1e9, sink=1e9)

fleets = st.builds(
    Fleet,
    devices=st.integers(1, 200_000_000),
    starts=st.floats(0.2, 20),
    quiet_peak=st.floats(1, 6),
    changed=st.floats(0, 1),
    storm=st.builds(Storm, share=st.floats(0, 1), minutes=st.floats(1, 240), changed=st.floats(0, 1)),
)
# Small storms, short enough to be played out in milliseconds.
short = st.builds(
    Fleet,
    devices=st.integers(1, 2_000_000),
    starts=st.floats(0.2, 20),
    storm=st.builds(Storm, share=st.floats(0, 1), minutes=st.floats(0.1, 0.5)),
)


def test_the_peak_is_that_of_half_a_sine_over_the_busiest_hour() -> None:
    fleet = Fleet(devices=1_000_000, starts=2.0, quiet_peak=3.0, storm=Storm(share=0.5, minutes=10.0))
    assert fleet.quiet_rate == pytest.approx(2_000_000 / 86_400 * 3)
    assert fleet.storm_amplitude == pytest.approx(500_000 / 600 * pi / 2)
    assert fleet.peak_rate == pytest.approx(69.444 + 1308.997, abs=0.01)


@pytest.mark.parametrize(
    ("starts", "changed", "expected"),
    [(1.0, 0.0, 0.5), (3.0, 0.0, 0.25), (3.0, 1.0, 1.0), (3.0, 0.1, 0.325), (1e9, 0.2, 0.2)],
)
def test_what_the_compactor_writes(starts: float, changed: float, expected: float) -> None:
    assert Fleet(devices=1, starts=starts).written(changed) == pytest.approx(expected)


def test_the_share_of_touches_is_that_of_a_phone_that_starts_at_random() -> None:
    """One in starts + 1, as the formula has it, counted over 20,000 days of one phone."""
    rng, starts, now, reports, touches, due = Random(5), 3.0, 0.0, 0, 0, 0.0
    while now < 20_000:
        now += rng.expovariate(starts)
        reports += 1
        if now >= due:
            touches, due = touches + 1, now + 1.0
    assert touches / reports == pytest.approx(Fleet(devices=1, starts=starts).written(0.0), rel=0.02)


@pytest.mark.parametrize(
    ("service", "most", "cleared"),
    [
        (200.0, 0.0, 0.0),  # as much as ever comes
        (100.0, inf, inf),  # only the usual reports, for ever
        # By hand: the angle is pi/6; 2 x 5000 cos(pi/6) - 50 x 157.08 x 2/3, and 157.08 + (9330.1 - 6545.0) / 50.
        (150.0, 3424.3, 212.78),
    ],
)
def test_what_waits_by_formula(service: float, most: float, cleared: float) -> None:
    found = backlog(100.0, 100.0, 100.0 * pi / 2, service)
    assert (found.most, found.cleared) == pytest.approx((most, cleared), rel=1e-4)


@given(
    quiet=st.floats(0, 1e4),
    amplitude=st.floats(1, 1e5),
    seconds=st.floats(60, 1e4),
    part=st.floats(0.05, 0.95),
)
def test_the_formula_agrees_with_small_steps(quiet: float, amplitude: float, seconds: float, part: float) -> None:
    service = quiet + part * amplitude
    found, waits, most, at, step = backlog(quiet, amplitude, seconds, service), 0.0, 0.0, 0.0, seconds / 700
    while at < seconds or waits > 0:
        came = quiet + (amplitude * sin(pi * (at + step / 2) / seconds) if at < seconds else 0.0)
        waits = max(0.0, waits + (came - service) * step)
        most, at = max(most, waits), at + step
        if most > 0 and waits == 0:
            break
    assert found.most == pytest.approx(most, rel=0.03, abs=amplitude * seconds * 1e-5)
    assert found.cleared == pytest.approx(at, rel=0.03, abs=seconds / 150)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.75, 0.9])
def test_formula_and_simulation_agree_on_what_waits(part: float) -> None:
    fleet, power, course = lagging(part, WISHES, COSTS)
    liquid = backlog(fleet.quiet_rate, fleet.storm_amplitude, fleet.storm_seconds, power.compactor)
    assert max(course.table_waiting) == pytest.approx(liquid.most, rel=0.02)
    assert course.table_cleared == pytest.approx(liquid.cleared, rel=0.02)
    assert course.refused == 0


@pytest.mark.parametrize("part", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("refusal", [10.0, 40.0, 80.0])  # at 40 and above some of these do nothing but refuse
def test_formula_and_simulation_agree_on_what_is_refused(part: float, refusal: float) -> None:
    fleet = Fleet(devices=20_000_000, starts=0.2)  # phones that come again are in the simulation alone: few here
    power = replace(AMPLE, ingress_us=fleet.peak_rate * 100.0 * part, refuse_us=refusal)
    expected = refused(
        fleet.quiet_rate, fleet.storm_amplitude, fleet.storm_seconds, power.ingress_us, power.accept_us, power.refuse_us
    )
    assert play(fleet, power).refused == pytest.approx(expected, rel=0.02)


@given(
    fleet=short,
    ingress=st.floats(1e3, 1e7),
    compactor=st.floats(10, 1e5),
    sink=st.floats(10, 1e5),
    seed=st.integers(0, 1000),
)
def test_nothing_is_lost_on_the_way(fleet: Fleet, ingress: float, compactor: float, sink: float, seed: int) -> None:
    power = replace(AMPLE, ingress_us=ingress, compactor=compactor, sink=sink)
    course = play(fleet, power, seed, longest=60)
    accepted = sum(course.accepted)
    assert sum(course.offered) == accepted + course.refused
    assert all(0 <= taken <= came for taken, came in zip(course.accepted, course.offered, strict=True))
    assert 0 <= course.later <= course.refused
    assert course.tabled + course.table_waiting[-1] == accepted == course.stored + course.history_waiting[-1]
    assert min(course.table_waiting + course.history_waiting) >= 0
    seconds = len(course.offered)
    assert course.tabled <= compactor * seconds + 1
    assert course.stored <= sink * seconds + 1
    if course.finished is not None:
        assert course.tabled == course.stored == accepted


@pytest.mark.parametrize("devices", SIZES)
def test_what_is_planned_takes_the_storm(devices: int) -> None:
    fleet = Fleet(devices=devices)
    course = play(fleet, capacity(plan(fleet, WISHES, COSTS), fleet, WISHES, COSTS))
    assert course.refused == 0
    assert course.finished is not None
    assert course.finished <= fleet.storm_seconds + WISHES.history
    assert course.tabled == course.stored == sum(course.offered)
    assert course.table_age <= 5
    assert sum(course.offered) == pytest.approx(
        fleet.storm_reports + fleet.quiet_rate * course.finished, rel=5 / devices**0.5
    )


def test_the_same_seed_gives_the_same_storm_and_another_one_another() -> None:
    fleet = Fleet(devices=10_000, storm=Storm(minutes=2))
    assert play(fleet, AMPLE, 3) == play(fleet, AMPLE, 3)
    assert play(fleet, AMPLE, 3).offered != play(fleet, AMPLE, 4).offered


@given(fleet=fleets, times=st.integers(2, 50))
def test_more_phones_never_take_less(fleet: Fleet, times: int) -> None:
    few, many = plan(fleet, WISHES, COSTS), plan(replace(fleet, devices=fleet.devices * times), WISHES, COSTS)
    assert all(getattr(few, name) <= getattr(many, name) for name in few.__struct_fields__)


@given(fleet=fleets)
def test_what_is_planned_suffices(fleet: Fleet) -> None:
    found = plan(fleet, WISHES, COSTS)
    power = capacity(found, fleet, WISHES, COSTS)
    assert power.ingress_us / power.accept_us >= fleet.peak_rate
    assert power.brokers >= fleet.peak_rate
    assert found.brokers >= WISHES.replicas
    assume(found.partitions < 6144)
    assert found.partitions >= 2 * max(found.compactor_processes, found.sink_processes)
    # The busiest process may use a half more than the mean (u = 0.7): that covers uneven partitions.
    assert power.compactor >= fleet.peak_rate * 0.93


def test_phones_that_keep_their_connections_take_more_workers() -> None:
    fleet = Fleet(devices=10_000_000, starts=3.0, storm=Storm(share=0.6, minutes=30))
    held = plan(fleet, Wishes(connection=60.0, used=0.5), COSTS)
    assert held.ingress_processes == 76  # 6278 a second x 60 s, 10,000 each, half of that used


def test_a_large_table_takes_compactors_so_that_each_is_restored_in_time() -> None:
    quiet = Fleet(devices=50_000_000, starts=0.2, storm=Storm(share=0.0))
    assert plan(quiet, Wishes(restore=20.0), COSTS).compactor_processes == 31  # 50 M / (82,000 x 20 s) = 30.5
    assert plan(quiet, Wishes(restore=20.0), COSTS).partitions == 96


@pytest.mark.parametrize(("partitions", "count", "expected"), [(8, 4, 1.0), (8, 5, 0.8), (8, 8, 1.0), (8, 16, 0.5)])
def test_uneven_shares_count_for_less(partitions: int, count: int, expected: float) -> None:
    assert evenly(partitions, count) == expected


@pytest.mark.parametrize(("offered", "expected"), [(0, 0), (100, 100), (110, 98), (200, 80), (1000, 0)])
def test_refusing_takes_from_accepting(offered: int, expected: int) -> None:
    # 100 a second at 100 µs; each refusal takes 16.67 µs of what acceptances could have.
    power = replace(AMPLE, ingress_us=10_000.0, refuse_us=100 / 6)
    assert power.accepted(offered) == expected


def test_a_queue_knows_how_old_its_oldest_is() -> None:
    queue = Queue(2.0)
    seen = []
    for came in (5, 0, 0, 1, 0):
        queue.step(came)
        seen.append((queue.waiting, queue.age))
    assert seen == [(3, 1), (1, 2), (0, 0), (0, 0), (0, 0)]


@pytest.mark.parametrize("mean", [0.0, 0.3, 4.0, 49.0, 60.0, 5000.0])
def test_arrivals_have_the_mean_and_the_spread_of_poisson(mean: float) -> None:
    rng = Random(9)
    drawn = [poisson(rng, mean) for _ in range(4000)]
    centre = sum(drawn) / len(drawn)
    assert centre == pytest.approx(mean, abs=5 * (mean / 4000) ** 0.5)
    assert sum((each - centre) ** 2 for each in drawn) / 4000 == pytest.approx(mean, rel=0.15)


def test_the_refused_come_back_at_their_next_start() -> None:
    fleet = Fleet(devices=2_000_000, starts=24.0, storm=Storm(share=1.0, minutes=2))
    power = replace(AMPLE, ingress_us=fleet.quiet_rate * 3 * 100.0, refuse_us=1.0)
    early, late = play(fleet, power, longest=120), play(fleet, replace(power, compactor=1.0), longest=6000)
    assert early.later > 1_000_000
    # After n seconds exp(-n starts / day) of them are still away.
    assert late.later == pytest.approx(early.later * 2.718281828 ** (-(6000 - 120) * 24.0 / DAY), rel=0.2)


def test_every_cost_has_an_origin_and_none_is_missing(tmp_path: Path) -> None:
    found = origins()
    assert set(found) == set(Costs.__struct_fields__)
    assert all("PLACEHOLDER" not in cost.by for cost in found.values())
    assert COSTS.refusal < COSTS.ingress
    partial = tmp_path / "costs.toml"
    partial.write_text(
        '[sink]\nvalue = 5.8\nunit = "µs"\nkind = "measured"\nby = "somebody said so"\non = "2026-11-24"\n'
    )
    with pytest.raises(msgspec.ValidationError, match="ingress_accept"):
        costs(partial)
    partial.write_text("[sink]\nvalue = 5.8\n")
    with pytest.raises(msgspec.ValidationError, match="unit"):
        origins(partial)


def test_the_page_and_its_picture_are_what_the_model_says() -> None:
    assert command.stale() == [], "run python -m benchmarks.capacity"
    assert command.main(["--check"]) == 0


def test_a_fleet_of_ones_own_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--devices", "200000", "--minutes", "1", "--power", "0.5"]) == 0
    shown = capsys.readouterr().out
    assert "partitions of each topic" in shown
    line = next(line for line in shown.splitlines() if line.startswith("storm with 50%"))
    offered, accepted, not_taken = (int(text.replace(",", "")) for text in re.findall(r"([\d,]*\d) [oar]", line))
    assert offered == accepted + not_taken
    assert offered == pytest.approx(120_000, rel=0.05)


def test_a_page_without_the_part_is_an_error() -> None:
    with pytest.raises(ValueError, match="no part `plan`"):
        replaced("nothing here", "plan", "| |")


@pytest.mark.parametrize(("count", "text"), [(5e6, "5.0 MB"), (2.5e9, "2.5 GB"), (3e12, "3.0 TB")])
def test_sizes_are_readable(count: float, text: str) -> None:
    assert size(count) == text
    assert bits(1.25e8) == "1.00 Gbit/s"
    assert bits(1e6) == "8 Mbit/s"


def test_the_picture_keeps_every_peak() -> None:
    fleet = Fleet(devices=100_000, storm=Storm(minutes=20))
    course = play(fleet, AMPLE)
    drawn = svg("a storm", course)
    assert f">{max(course.offered):,}<" in drawn
    assert drawn.count("<polyline") == 4
