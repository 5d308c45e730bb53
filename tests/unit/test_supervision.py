"""Restarts, the supervisor's decisions, and what the console shows; processes and clock are stand-ins."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.console import Console
from deploy.local.probe import Health, Probe, Target
from deploy.local.restarts import LONGEST, STABLE, Restarts
from deploy.local.supervisor import Supervisor, ending


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class StandIn:
    """A process that does as the test says."""

    def __init__(self, name: str, order: list[str] | None = None, *, stubborn: bool = False) -> None:
        self.name = name
        self.log = Path("stand-in.log")
        self.running = False
        self.exit_code: int | None = None
        self.starts = 0
        self.trimmed = 0
        self.refuses: OSError | None = None
        self._order = order if order is not None else []
        self._stubborn = stubborn

    def spawn(self) -> None:
        self.starts += 1
        if self.refuses:
            raise self.refuses
        self.running, self.exit_code = True, None

    def die(self, code: int) -> None:
        self.running, self.exit_code = False, code

    def stop(self, deadline: float) -> bool:
        self._order.append(self.name)
        self.running = False
        return not self._stubborn

    def kill(self) -> None:
        self.die(-9)

    def tail(self, lines: int = 15) -> str:
        return "the last line"

    def trim_log(self) -> None:
        self.trimmed += 1


class Answers(Probe):
    """A probe whose answers the test gives."""

    def __init__(self, names: list[str]) -> None:
        super().__init__([Target(name, "127.0.0.1", 1) for name in names])

    def give(self, name: str, health: Health) -> None:
        self._health[name] = health


@pytest.fixture
def clock() -> Clock:
    return Clock()


def supervise(clock: Clock, *services: StandIn, answers: Answers | None = None) -> tuple[Supervisor, io.StringIO]:
    out = io.StringIO()
    supervisor = Supervisor(Console(out), answers or Answers([]), clock)
    for service in services:
        supervisor.start(service)
    return supervisor, out


def run_for(supervisor: Supervisor, clock: Clock, seconds: float, each: Callable[[], None] = lambda: None) -> None:
    end = clock.now + seconds
    while clock.now < end:
        supervisor.tick()
        each()
        clock.now += 0.25


def test_delays_double_up_to_a_limit() -> None:
    restarts = Restarts()
    restarts.started(0.0)
    delays = [restarts.died(1.0) for _ in range(9)]
    assert delays == [0.5, 1, 2, 4, 8, 16, LONGEST, LONGEST, LONGEST]


def test_a_long_good_run_is_rewarded() -> None:
    restarts = Restarts()
    for _ in range(5):
        restarts.died(0.0)
    restarts.started(100.0)
    assert restarts.died(100.0 + STABLE) == 0.5


def test_what_ends_is_started_again_and_its_last_lines_are_shown(clock: Clock) -> None:
    role = StandIn("ingest")
    supervisor, out = supervise(clock, role)
    role.die(3)
    supervisor.tick()
    assert role.starts == 1
    assert supervisor.troubles() == ("ingest is down",)
    run_for(supervisor, clock, 1.0)
    assert (role.starts, role.running) == (2, True)
    assert "ingest ended (exit code 3)" in out.getvalue()
    assert "the last line" in out.getvalue()


def test_what_keeps_dying_is_started_less_and_less_often(clock: Clock) -> None:
    role = StandIn("sink")
    supervisor, _ = supervise(clock, role)
    run_for(supervisor, clock, 120.0, lambda: role.die(1))
    assert 7 <= role.starts <= 10


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exit code 0"), (2, "exit code 2"), (-9, "killed by SIGKILL"), (-200, "killed by signal 200")],
)
def test_how_a_process_ended_is_said_in_words(code: int, text: str) -> None:
    assert ending(code) == text


def test_a_start_that_fails_is_tried_again(clock: Clock) -> None:
    role = StandIn("sink")
    supervisor, out = supervise(clock, role)
    role.die(1)
    role.refuses = OSError("no memory")
    run_for(supervisor, clock, 5.0)
    role.refuses = None
    run_for(supervisor, clock, 10.0)
    assert role.running
    assert "sink cannot be started: no memory" in out.getvalue()


def test_a_role_that_hangs_is_killed_and_started_again(clock: Clock) -> None:
    role, answers = StandIn("compact"), Answers(["compact"])
    supervisor, out = supervise(clock, role, answers=answers)
    run_for(supervisor, clock, 50.0, lambda: answers.give("compact", Health(True, clock.now)))
    run_for(supervisor, clock, 59.0)
    assert role.starts == 1
    run_for(supervisor, clock, 5.0)
    assert role.starts == 2
    assert "compact has given no answer for 60 s" in out.getvalue()


def test_a_role_that_lives_but_is_not_ready_is_left_alone_and_named(clock: Clock) -> None:
    role, answers = StandIn("compact"), Answers(["compact"])
    supervisor, _ = supervise(clock, role, answers=answers)
    run_for(supervisor, clock, 300.0, lambda: answers.give("compact", Health(False, clock.now)))
    assert role.starts == 1
    assert supervisor.troubles() == ("compact is not ready",)


def test_stopping_keeps_the_order_and_names_the_killed(clock: Clock) -> None:
    order: list[str] = []
    services = [StandIn(name, order) for name in ("kafka", "clickhouse", "compact")]
    services += [StandIn("sink", order, stubborn=True), StandIn("ingest", order)]
    supervisor, _ = supervise(clock, *services)
    groups = [["ingest"], ["compact", "sink", "dashboard"], ["clickhouse", "kafka"]]
    assert supervisor.stop(groups, 1.0, lambda: False) == ["sink"]
    assert order[0] == "ingest"
    assert set(order[1:3]) == {"compact", "sink"}
    assert set(order[3:]) == {"clickhouse", "kafka"}


def test_what_is_down_already_is_not_stopped(clock: Clock) -> None:
    order: list[str] = []
    role = StandIn("ingest", order)
    supervisor, _ = supervise(clock, role)
    role.die(1)
    assert supervisor.stop([["ingest"]], 1.0, lambda: False) == []
    assert order == []


def test_logs_are_kept_bounded(clock: Clock) -> None:
    role = StandIn("ingest")
    supervisor, _ = supervise(clock, role)
    run_for(supervisor, clock, 60.0)
    assert 5 <= role.trimmed <= 7


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_live_line_below_the_lines_that_stay() -> None:
    out = Terminal()
    console = Console(out)
    console.status("one")
    console.say("kept")
    console.status("two")
    console.done()
    assert out.getvalue() == "one" + "\r\x1b[Kkept\none" + "\r\x1b[Ktwo" + "\r\x1b[K"


def test_a_line_longer_than_the_terminal_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    Console(out).status("x" * 50)
    assert out.getvalue() == "x" * 18 + "…"


def test_a_file_gets_plain_lines_now_and_then() -> None:
    out = io.StringIO()
    console = Console(out)
    console.status("one", every=1000.0)
    console.status("two", every=1000.0)
    console.say("kept")
    console.status("three", every=0.0)
    console.status("three", every=0.0)
    assert out.getvalue() == "one\nkept\nthree\n"


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_went_away_ends_nothing() -> None:
    console = Console(Closed())
    console.say("anyone?")
    console.status("no")
    console.done()
