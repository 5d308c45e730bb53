"""The fleet's day as a stream of requests. Pure: the same plan gives the same stream."""

from collections.abc import Iterator
from heapq import heappop, heappush
from random import Random
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from deploy.simulate import broken, shapes
from deploy.simulate.day import DAY_MS, moment
from deploy.simulate.phone import Phone, Version, phone
from deploy.simulate.request import Kind, Request, Told, Wire
from schemas.records import Pair

# What happens when a phone known to the operator starts its app, in thousandths: mostly nothing new.
_SHARES: Final[dict[Kind, int]] = {"start": 945, "rotated": 25, "reinstalled": 10, "logged_out": 10, "broken": 10}
_SECOND_HALF_MS: Final = (1_000, 20_000)  # "a few moments later" (specification, "Response")


class Plan(Struct, frozen=True, kw_only=True):
    """How large the day is: `accounts` phones and `reports` requests in all, from `seed`.

    `marked`: each User-Agent ends in ` sim/<seed>-<number>`, so that a record can be matched with its request.
    """

    accounts: Annotated[int, Meta(ge=1)]
    reports: Annotated[int, Meta(ge=1)]
    seed: int = 1
    marked: bool = False


def requests(plan: Plan) -> Iterator[Request]:
    """The day's `plan.reports` requests in simulated order; a phone's each to be sent after the one before."""
    return _Day(plan).stream()


class _Day:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = Random(f"fleet {plan.seed}")  # noqa: S311 - a repeatable stream is the point
        self._phones: dict[int, Phone] = {}
        self._logged_out: set[int] = set()
        self._halves: list[tuple[int, int]] = []  # heap of (due at, phone): pairs whose second token is on its way
        self._waiting: set[int] = set()
        self._done = 0

    def stream(self) -> Iterator[Request]:
        while (left := self._plan.reports - self._done) > 0:
            at = moment((self._done + self._random.random()) / self._plan.reports)
            if self._halves and (self._halves[0][0] <= at or len(self._halves) >= left):
                due, number = heappop(self._halves)
                if number not in self._waiting:
                    continue
                request = self._second_half(number, min(due, DAY_MS - 1))
            else:
                request = self._start(self._random.randrange(self._plan.accounts), at, left)
            self._done += 1
            yield request

    def _start(self, number: int, at: int, left: int) -> Request:
        if number in self._waiting:  # started again before the second token came
            return self._second_half(number, at)
        if number not in self._phones:
            self._renew(number, Version())
            return self._whole_or_half(number, at, "first", left)
        if number in self._logged_out:
            self._logged_out.discard(number)
            return self._report(number, at, "login")
        kind = self._random.choices(tuple(_SHARES), tuple(_SHARES.values()))[0]
        if kind == "broken":
            return self._broken(number, at)
        if kind == "logged_out":
            return self._removal(number, at)
        if kind == "reinstalled":
            self._renew(number, Version(install=self._phones[number].version.install + 1))
            return self._whole_or_half(number, at, kind, left)
        if kind == "rotated":
            self._rotate(number)
        return self._report(number, at, kind)

    def _rotate(self, number: int) -> None:
        old = self._phones[number]
        if old.platform == "ios" and self._random.random() < 0.3:
            self._renew(number, structs.replace(old.version, calls=old.version.calls + 1))
        else:
            self._renew(number, structs.replace(old.version, other=old.version.other + 1))

    def _renew(self, number: int, version: Version) -> None:
        self._phones[number] = phone(self._plan.seed, number, version)

    def _whole_or_half(self, number: int, at: int, kind: Kind, left: int) -> Request:
        """After an installation half of the iOS phones have only the calls token yet (if the day has room for both)."""
        ios = self._phones[number].platform == "ios"
        if ios and left > len(self._halves) + 1 and self._random.random() < 0.5:
            self._waiting.add(number)
            heappush(self._halves, (at + self._random.randint(*_SECOND_HALF_MS), number))
            return self._report(number, at, "first_half")
        return self._report(number, at, kind)

    def _second_half(self, number: int, at: int) -> Request:
        self._waiting.discard(number)
        return self._report(number, at, "second_half")

    def _report(self, number: int, at: int, kind: Kind) -> Request:
        who = self._phones[number]
        shape = shapes.shape_of(who)
        other = None if kind == "first_half" else who.other
        calls = None if shape in shapes.ONE_PAIR else who.calls
        install_id = None if shape in shapes.WITHOUT_INSTALL_ID else who.install_id
        wire = shapes.report(who, shape, who.calls, other)
        return self._request(who, at, kind, shape, wire, told=("report", calls, other, install_id))

    def _removal(self, number: int, at: int) -> Request:
        self._logged_out.add(number)
        shape, wire = shapes.removal(self._phones[number])
        return self._request(self._phones[number], at, "logged_out", shape, wire, told=("removal", None, None, None))

    def _broken(self, number: int, at: int) -> Request:
        shape, status, wire = broken.broken(self._phones[number], self._random)
        return self._request(self._phones[number], at, "broken", shape, wire, status)

    def _request(
        self,
        who: Phone,
        at: int,
        kind: Kind,
        shape: str,
        wire: Wire,
        expect: int = 200,
        told: tuple[str, Pair | None, Pair | None, str | None] | None = None,
    ) -> Request:
        agent = who.user_agent + (f" sim/{self._plan.seed}-{self._done}" if self._plan.marked else "")
        return Request(
            number=self._done,
            phone=who.number,
            at=at,
            kind=kind,
            shape=shape,
            wire=wire,
            user_agent=agent,
            close=self._random.random() < 0.02,
            expect=expect,
            told=None if told is None else _told(who, agent, *told),
        )


def _told(who: Phone, agent: str, kind: str, calls: Pair | None, other: Pair | None, install_id: str | None) -> Told:
    return Told(
        kind="removal" if kind == "removal" else "report",
        selector=who.selector,
        username=who.username.strip(),
        calls=calls,
        other=other,
        install_id=install_id,
        user_agent=agent,
    )
