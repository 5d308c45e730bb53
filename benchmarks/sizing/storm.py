"""A storm played out second by second: what is offered, accepted, refused, and what waits before each role.

Pure and seeded: the same arguments give the same course. Phones whose report was refused report again at their next
start, for the app does not try again by itself (protocol/companions.md names no retry): each of them with the usual
chance in every second. The ingress has no queue here: what waits there waits 1.5 s at most (`ingest.confirm_timeout`).
"""

from math import exp, pi, sin, sqrt
from random import Random
from typing import Final

from msgspec import Struct, field

from benchmarks.sizing.fleet import DAY, Fleet

LONGEST: Final = int(DAY)  # a storm that is not over after a day never is


class Capacity(Struct, frozen=True, kw_only=True):
    """What the roles can do.

    `ingress_us`: µs of processor that all its workers have in a second; `accept_us`, `refuse_us`: what a report takes
    of them. `brokers`, `compactor`, `sink`: records/s.
    """

    ingress_us: float
    accept_us: float
    refuse_us: float
    brokers: float
    compactor: float
    sink: float

    def accepted(self, offered: int) -> int:
        """How many of the reports `offered` in a second get a 200; the others get a 503."""
        taken = float(offered)
        if offered * self.accept_us > self.ingress_us:
            taken = max(0.0, (self.ingress_us - offered * self.refuse_us) / (self.accept_us - self.refuse_us))
        return min(offered, int(taken), int(self.brokers))


class Queue:
    """A role that reads the log: what waits, and for how long the oldest has."""

    def __init__(self, service: float) -> None:
        """Empty; `service`: records/s."""
        self._service = service
        self._budget = 0.0
        self._arrived: list[int] = []  # in all, by second
        self._oldest = 0  # the second in which the first that waits came
        self.done = 0
        self.waiting = 0

    def step(self, came: int) -> None:
        """A second: `came` records arrive, and as many as it can do are done."""
        self._arrived.append(came + (self._arrived[-1] if self._arrived else 0))
        self._budget += self._service
        did = min(self.waiting + came, int(self._budget))
        self.waiting += came - did
        self.done += did
        self._budget = self._budget - did if self.waiting else 0.0
        while self._oldest < len(self._arrived) and self._arrived[self._oldest] <= self.done:
            self._oldest += 1

    @property
    def age(self) -> int:
        """How many seconds the oldest that waits has waited; 0: none waits."""
        return len(self._arrived) - self._oldest


class Course(Struct, kw_only=True):
    """What happened, by second, and in all. `table_*`: the compactor's queue; `history_*`: the sink's.

    `later`: phones whose last report was refused and that have not reported since. `finished`: when nothing waited any
    more and the storm was over (s from its start); None: not within a day.
    """

    offered: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    table_waiting: list[int] = field(default_factory=list)
    history_waiting: list[int] = field(default_factory=list)
    table_age: int = 0
    history_age: int = 0
    table_cleared: int = 0
    history_cleared: int = 0
    tabled: int = 0
    stored: int = 0
    later: int = 0
    finished: int | None = None

    @property
    def refused(self) -> int:
        """503s in all."""
        return sum(self.offered) - sum(self.accepted)


def play(fleet: Fleet, capacity: Capacity, seed: int = 1, longest: int = LONGEST) -> Course:
    """The course of one storm, from its first second until nothing waits, at most `longest` seconds."""
    rng = Random(seed)  # noqa: S311  # to be repeatable is the point
    course, table, history = Course(), Queue(capacity.compactor), Queue(capacity.sink)
    seconds = fleet.storm_seconds
    for second in range(longest):
        again = min(course.later, poisson(rng, course.later * fleet.starts / DAY))
        storm = fleet.storm_amplitude * max(0.0, sin(pi * (second + 0.5) / seconds)) if second < seconds else 0.0
        offered = poisson(rng, fleet.quiet_rate + storm) + again
        accepted = capacity.accepted(offered)
        course.later += offered - accepted - again
        course.offered.append(offered)
        course.accepted.append(accepted)
        table.step(accepted)
        history.step(accepted)
        _note(course, table, history, second)
        if second + 1 >= seconds and not table.waiting and not history.waiting:
            course.finished = second + 1
            break
    course.tabled, course.stored = table.done, history.done
    return course


def _note(course: Course, table: Queue, history: Queue, second: int) -> None:
    course.table_waiting.append(table.waiting)
    course.history_waiting.append(history.waiting)
    course.table_age = max(course.table_age, table.age)
    course.history_age = max(course.history_age, history.age)
    if table.waiting:
        course.table_cleared = second + 1
    if history.waiting:
        course.history_cleared = second + 1


def poisson(rng: Random, mean: float) -> int:
    """A number of independent events of which `mean` are expected; by the normal distribution from 50 on."""
    if mean >= 50:
        return max(0, round(rng.gauss(mean, sqrt(mean))))
    limit, product, count = exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
