"""What is assumed of the phones, of a storm, and of what an operator wants. Nothing here is measured."""

from math import pi
from typing import Annotated, Final

from msgspec import Meta, Struct

DAY: Final = 86_400.0  # seconds
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]


class Storm(Struct, frozen=True, kw_only=True):
    """An app update: within `minutes` the part `share` of all phones starts the app once more than usual.

    The rate follows half a sine, so its peak is pi/2 of its mean. `changed` of these reports bring a new token.
    """

    share: Share = 0.6
    minutes: Positive = 30.0
    changed: Share = 0.1


class Fleet(Struct, frozen=True, kw_only=True):
    """The phones of an operator.

    `starts`: of the app, by phone and day, each a report. `quiet_peak`: the busiest hour of a usual day over the day's
    mean. `changed`: of a usual day's reports, the part with a new token.
    """

    devices: Annotated[int, Meta(ge=1)]
    starts: Positive = 3.0
    quiet_peak: Annotated[float, Meta(ge=1.0)] = 3.0
    changed: Share = 0.01
    storm: Storm = Storm()

    @property
    def reports_a_day(self) -> float:
        """On a usual day."""
        return self.devices * self.starts

    @property
    def quiet_rate(self) -> float:
        """Reports/s in the busiest hour of a usual day; a storm comes on top of it."""
        return self.reports_a_day / DAY * self.quiet_peak

    @property
    def storm_seconds(self) -> float:
        """How long a storm lasts."""
        return self.storm.minutes * 60.0

    @property
    def storm_reports(self) -> float:
        """Reports of a storm, those of a usual day not counted."""
        return self.devices * self.storm.share

    @property
    def storm_amplitude(self) -> float:
        """Reports/s of the storm at its height, without the usual ones."""
        return self.storm_reports / self.storm_seconds * pi / 2

    @property
    def peak_rate(self) -> float:
        """Reports/s at the height of a storm in the busiest hour."""
        return self.quiet_rate + self.storm_amplitude

    def written(self, changed: float) -> float:
        """The part of reports for which the compactor writes, `changed` of them having a new token.

        The others write only when `last_seen` has not moved for the touch interval, a day. A phone that reports
        `starts` times a day at random waits 1/`starts` days after that, so one report in `starts` + 1 is such a one.
        """
        return 1.0 - (1.0 - changed) * (1.0 - 1.0 / (self.starts + 1.0))


class Wishes(Struct, frozen=True, kw_only=True):
    """How it is to be run. Times in seconds, days where named.

    `used`: of a machine's processor time at the height of a storm; the rest is for what is not in the model.
    `disk_used`: of a disk. `restore`: until a compactor process without its local state is ready again. `history`: how
    long after a storm ClickHouse may lag. `connection`: how long a phone's connection is open. `readers`: consumer
    groups of other teams that read all of `reports`, `changes` and `latest`. `spare`: machines of each role that may be
    lost.
    """

    used: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.7
    disk_used: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.7
    restore: Positive = 60.0
    history: Positive = 3600.0
    connection: Positive = 2.0
    replicas: Annotated[int, Meta(ge=1)] = 3
    clickhouse_replicas: Annotated[int, Meta(ge=1)] = 2
    standbys: Annotated[int, Meta(ge=0)] = 1
    readers: Annotated[int, Meta(ge=0)] = 1
    reports_days: Positive = 30.0
    changes_days: Positive = 30.0
    history_days: Positive = 365.0
    storms_a_month: Annotated[float, Meta(ge=0.0)] = 2.0
    cores: Annotated[int, Meta(ge=1)] = 8
    broker_disk_tb: Positive = 4.0
    clickhouse_disk_tb: Positive = 8.0
    spare: Annotated[int, Meta(ge=0)] = 1
