"""A storm as a liquid: how much waits, and until when, by formula. `storm.py` plays the same out second by second."""

from math import asin, cos, inf, pi

from msgspec import Struct


class Backlog(Struct, frozen=True):
    """`most`: records that wait at once. `cleared`: seconds from the storm's start until none waits (0: none ever
    does; infinity: it only grows)."""

    most: float
    cleared: float


def backlog(quiet: float, amplitude: float, seconds: float, service: float) -> Backlog:
    """What waits before a queue served at `service` records/s.

    Args:
        quiet: records/s all the time.
        amplitude: records/s on top at the height of the storm, which is half a sine of `seconds`.
        seconds: how long the storm lasts.
        service: records/s.
    """
    left = service - quiet  # for the storm
    if left >= amplitude:
        return Backlog(0.0, 0.0)
    if left <= 0:
        return Backlog(inf, inf)
    angle = asin(left / amplitude)
    begins = angle / pi * seconds
    volume = amplitude * seconds / pi

    def waits(at: float) -> float:
        """At a time between the backlog's begin and the end of the storm."""
        return volume * (cos(angle) - cos(pi * at / seconds)) - left * (at - begins)

    most = waits(seconds - begins)
    rest = waits(seconds)
    if rest >= 0:
        return Backlog(most, seconds + rest / left)
    low, high = seconds - begins, seconds
    for _ in range(60):  # halves a storm to far below a second
        middle = (low + high) / 2
        low, high = (middle, high) if waits(middle) > 0 else (low, middle)
    return Backlog(most, high)


def refused(quiet: float, amplitude: float, seconds: float, capacity: float, accept: float, refuse: float) -> float:
    """Reports that an ingress refuses in a storm; infinity where it does so on usual days.

    A refusal costs processor time as well: of `offered` reports a second the ingress accepts
    (capacity - offered x refuse) / (accept - refuse) where it cannot accept all, down to none. So it refuses
    accept / (accept - refuse) times what is offered beyond capacity / accept; and less, by refuse / (accept - refuse)
    times what is offered beyond capacity / refuse, where nothing is accepted any more.

    Args:
        quiet: as of `backlog`.
        amplitude: as of `backlog`.
        seconds: as of `backlog`.
        capacity: µs of processor in a second.
        accept: µs of an accepted report.
        refuse: µs of a refused one, less than `accept`.
    """
    beyond_all = backlog(quiet, amplitude, seconds, capacity / accept).most
    if beyond_all == inf:
        return inf
    beyond_refusing = backlog(quiet, amplitude, seconds, capacity / refuse).most
    return (accept * beyond_all - refuse * beyond_refusing) / (accept - refuse)
