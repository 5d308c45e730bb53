"""What a report costs in each role, and where each figure is from: `costs.toml`, typed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

FILE: Final = Path(__file__).with_name("costs.toml")


class Cost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A figure: its value and unit, whether it was measured here, derived from what was, or assumed, by which command
    or reasoning, and on which day."""

    value: Annotated[float, Meta(gt=0.0)]
    unit: Annotated[str, Meta(min_length=1)]
    kind: Literal["measured", "derived", "assumed"]
    by: Annotated[str, Meta(min_length=10)]
    on: Annotated[str, Meta(pattern=r"^20\d\d-\d\d-\d\d$")]


class Costs(Struct, frozen=True, kw_only=True):
    """All figures. µs: of one core, by report; `ingress_refuse` must be below `ingress_accept`."""

    ingress_accept: float
    ingress_connection: float
    ingress_refuse: float
    compactor_unchanged: float
    compactor_written: float
    sink: float
    clickhouse: float
    broker_append: float
    broker_replica: float
    broker_read: float
    broker_output: float
    report_bytes: float
    change_bytes: float
    latest_bytes: float
    rocksdb_bytes: float
    row_bytes: float
    insert_bytes: float
    request_bytes: float
    answer_bytes: float
    ingress_mib: float
    compactor_mib: float
    compactor_selector_bytes: float
    sink_mib: float
    restore_rate: float
    worker_connections: float

    @property
    def ingress(self) -> float:
        """µs of an accepted report that comes over a connection of its own."""
        return self.ingress_accept + self.ingress_connection

    @property
    def refusal(self) -> float:
        """µs of a refused one, likewise."""
        return self.ingress_refuse + self.ingress_connection

    def compactor(self, written: float) -> float:
        """µs of a report, on average, where the part `written` makes the compactor write."""
        return self.compactor_unchanged * (1.0 - written) + self.compactor_written * written

    def broker(self, written: float, replicas: int, groups: int) -> float:
        """µs of all brokers for a report that `groups` consumer groups read, what the compactor writes included."""
        copies = self.broker_append + self.broker_replica * (replicas - 1)
        return copies + self.broker_read * groups + written * self.broker_output * replicas


def origins(file: Path = FILE) -> Mapping[str, Cost]:
    """Every figure with its origin, by name.

    Raises:
        msgspec.ValidationError: a figure without one, or of a form that is not allowed.
    """
    return msgspec.toml.decode(file.read_bytes(), type=dict[str, Cost])


def costs(file: Path = FILE) -> Costs:
    """The figures alone.

    Raises:
        msgspec.ValidationError: as of `origins`, or one is missing.
    """
    return msgspec.convert({name: cost.value for name, cost in origins(file).items()}, Costs)
