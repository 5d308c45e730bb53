"""All connections of a worker together: who is overdue, who makes room for a newcomer, how much they hold in memory."""

import heapq
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from ingest.http_limits import HttpLimits

# Nobody is sent away sooner: a request takes a second to arrive over a bad mobile network, not more than a few.
_PATIENCE: Final = 1.0
# How often all connections are looked through for the ones to send away, and how many are remembered from one look: at
# 10,000 connections a look takes 6 ms (measured), so 6 per cent of the time at most.
_LOOK_SECONDS: Final = 0.1
_REMEMBERED: Final = 1000


class Member(Protocol):
    """A connection as the crowd sees it; see `http_connection.Connection`."""

    deadline: float
    held: int

    def sweep(self, now: float) -> None:
        """Act on its deadline."""

    def waits_since(self) -> float | None:
        """Since when it is the client's turn; None: it is not."""

    def give_way(self) -> None:
        """End for another's sake."""


class Crowd:
    """What no connection knows by itself. Times are the loop's, in seconds."""

    def __init__(self, limits: HttpLimits) -> None:
        self._most = limits.max_unfinished_bytes
        self._held = 0
        self._idlers = _Queue(lambda member: True)
        self._holders = _Queue(lambda member: member.held > 0)

    @property
    def held(self) -> int:
        """Bytes received of requests that are not complete, or wait for answers before theirs."""
        return self._held

    def hold(self, size: int, members: Iterable[Member], now: float) -> bool:
        """Note `size` more bytes; False if that is too much together (they are noted all the same).

        Then the connection that has held some for longest makes room: who sends half a request and stops must not
        keep out those whose request comes in two pieces.
        """
        self._held += size
        return self._held <= self._most or self._holders.end_one(members, now)

    def release(self, size: int) -> None:
        """Note that `size` bytes are gone."""
        self._held -= size

    def make_room(self, members: Iterable[Member], now: float) -> bool:
        """End the connection on which nothing has been due for longest. False: all of them are busy, or too new.

        So whoever holds connections only to hold them, idle or in the middle of a request, loses them to those who
        report; a client that is refused instead would have to come back.
        """
        return self._idlers.end_one(members, now)


class _Queue:
    """Connections in the order in which they are sent away; looked for now and then, not each time."""

    def __init__(self, wanted: Callable[[Member], bool]) -> None:
        self._wanted = wanted
        self._longest: list[Member] = []  # the longest-waiting last
        self._next_look = 0.0

    def end_one(self, members: Iterable[Member], now: float) -> bool:
        if self._send_away(now):
            return True
        if now < self._next_look:
            return False
        self._next_look = now + _LOOK_SECONDS
        waiting = [
            (since, id(member), member)
            for member in members
            if self._wanted(member) and (since := _waiting(member, now)) is not None
        ]
        self._longest = [member for _, _, member in heapq.nsmallest(_REMEMBERED, waiting)][::-1]
        return self._send_away(now)

    def _send_away(self, now: float) -> bool:
        while self._longest:
            member = self._longest.pop()
            if self._wanted(member) and _waiting(member, now) is not None:  # it may have become busy since
                member.give_way()
                return True
        return False


def sweep(members: Iterable[Member], now: float) -> None:
    """Let every connection whose deadline has passed act on it; 0.15 ms for 10,000 of which none is overdue."""
    for member in [member for member in members if member.deadline <= now]:
        member.sweep(now)


def _waiting(member: Member, now: float) -> float | None:
    since = member.waits_since()
    return since if since is not None and since <= now - _PATIENCE else None
