"""From fleet, wishes and costs to processes, machines, partitions, disk and network: docs/capacity.md, "Formulas"."""

from math import ceil
from typing import Final

from msgspec import Struct

from benchmarks.sizing.costs import Costs
from benchmarks.sizing.fleet import Fleet, Wishes
from benchmarks.sizing.storm import Capacity

PARTITIONS: Final = (8, 12, 24, 48, 96, 192, 384, 768, 1536, 3072, 6144)  # many divisors: workers share them evenly
GROWTH: Final = 2  # partitions for each process: their number is not changed lightly
REJECTED_BYTES: Final = 256 * 1024 * 1024  # by partition (schemas/topics.py)
LATEST_LAG_DAYS: Final = 1.25  # max.compaction.lag.ms and segment.ms of `latest` (schemas/topics.py)
CHANGES: Final = 2  # messages for a new selector, one by slot; a rotated token mostly makes one
MIB: Final = 2**20
TB: Final = 1e12


class Plan(Struct, frozen=True, kw_only=True):
    """What a fleet takes.

    `*_processes`: of one core each. Machines have `Wishes.cores` cores, the spare included; `worker_machines` run
    compactor and sink. Disk in bytes, of all replicas; network in bytes/s at the height of a storm.
    """

    peak: float
    ingress_processes: int
    compactor_processes: int
    sink_processes: int
    broker_cores: float
    clickhouse_cores: float
    partitions: int
    ingress_machines: int
    worker_machines: int
    brokers: int
    clickhouse_machines: int
    worker_memory: float
    reports_disk: float
    changes_disk: float
    latest_disk: float
    rejected_disk: float
    rocksdb_disk: float
    clickhouse_disk: float
    network_apps_in: float
    network_apps_out: float
    network_brokers_in: float
    network_brokers_out: float
    network_clickhouse: float

    @property
    def broker_disk(self) -> float:
        """Bytes on all brokers."""
        return self.reports_disk + self.changes_disk + self.latest_disk + self.rejected_disk

    @property
    def machines(self) -> int:
        """Of all roles."""
        return self.ingress_machines + self.worker_machines + self.brokers + self.clickhouse_machines


def plan(fleet: Fleet, wishes: Wishes, costs: Costs) -> Plan:
    """What `fleet` takes under `wishes`; sized for a storm in the busiest hour."""
    peak, written = fleet.peak_rate, fleet.written(fleet.storm.changed)
    groups = 2 + wishes.readers
    ingress = processes(peak, costs.ingress, wishes, peak * wishes.connection / costs.worker_connections / wishes.used)
    compactor = processes(peak, costs.compactor(written), wishes, fleet.devices / (costs.restore_rate * wishes.restore))
    sink = processes(_sink_rate(fleet, wishes), costs.sink, wishes, 0)
    broker_cores = peak * costs.broker(written, wishes.replicas, groups) / 1e6
    clickhouse_cores = _sink_rate(fleet, wishes) * costs.clickhouse / 1e6
    partitions = next((count for count in PARTITIONS if count >= GROWTH * max(compactor, sink)), PARTITIONS[-1])
    topics = _topics(fleet, wishes, costs, partitions)
    clickhouse = fleet.reports_a_day * wishes.history_days * costs.row_bytes * wishes.clickhouse_replicas
    output = costs.latest_bytes * written + costs.change_bytes * CHANGES * fleet.storm.changed
    copies = 1 + wishes.standbys
    memory = compactor * costs.compactor_mib * MIB + fleet.devices * costs.compactor_selector_bytes * copies
    return Plan(
        peak=peak,
        ingress_processes=ingress,
        compactor_processes=compactor,
        sink_processes=sink,
        broker_cores=broker_cores,
        clickhouse_cores=clickhouse_cores,
        partitions=partitions,
        ingress_machines=machines(ingress, wishes),
        worker_machines=machines(compactor + sink, wishes),
        brokers=max(
            wishes.replicas,
            ceil(broker_cores / wishes.used / wishes.cores) + wishes.spare,
            ceil(sum(topics) / wishes.disk_used / (wishes.broker_disk_tb * TB)),
        ),
        clickhouse_machines=wishes.clickhouse_replicas
        * max(
            ceil(clickhouse_cores / wishes.used / wishes.cores),
            ceil(clickhouse / wishes.clickhouse_replicas / wishes.disk_used / (wishes.clickhouse_disk_tb * TB)),
        ),
        worker_memory=memory + sink * costs.sink_mib * MIB,
        reports_disk=topics[0],
        changes_disk=topics[1],
        latest_disk=topics[2],
        rejected_disk=topics[3],
        rocksdb_disk=fleet.devices * costs.rocksdb_bytes * copies,
        clickhouse_disk=clickhouse,
        network_apps_in=peak * costs.request_bytes,
        network_apps_out=peak * costs.answer_bytes,
        network_brokers_in=peak * (costs.report_bytes + output) * wishes.replicas,
        network_brokers_out=peak
        * (costs.report_bytes * (wishes.replicas - 1 + groups) + output * (wishes.replicas - 1 + wishes.readers)),
        network_clickhouse=_sink_rate(fleet, wishes) * costs.insert_bytes * wishes.clickhouse_replicas,
    )


def processes(rate: float, cost: float, wishes: Wishes, least: float) -> int:
    """Processes of one core each for `rate` records/s at `cost` µs; two at least, and `least`."""
    return max(2, ceil(rate * cost / 1e6 / wishes.used), ceil(least))


def machines(count: int, wishes: Wishes) -> int:
    """Machines for `count` processes, the spare included."""
    return max(1, ceil(count / wishes.cores)) + wishes.spare


def evenly(partitions: int, count: int) -> float:
    """The part of `count` processes' power that counts: the one with the most partitions is the last to finish."""
    return partitions / (count * ceil(partitions / count))


def capacity(found: Plan, fleet: Fleet, wishes: Wishes, costs: Costs, part: float = 1.0) -> Capacity:
    """What the processes of a plan can do in a storm, or the `part` of them that is left."""
    written = fleet.written(fleet.storm.changed)
    groups = 2 + wishes.readers

    def rate(count: int, cost: float) -> float:
        return count * part * 1e6 / cost * evenly(found.partitions, count)

    return Capacity(
        ingress_us=found.ingress_processes * part * 1e6,
        accept_us=costs.ingress,
        refuse_us=costs.refusal,
        brokers=found.brokers * wishes.cores * part * 1e6 / costs.broker(written, wishes.replicas, groups),
        compactor=rate(found.compactor_processes, costs.compactor(written)),
        sink=rate(found.sink_processes, costs.sink),
    )


def _sink_rate(fleet: Fleet, wishes: Wishes) -> float:
    """Rows/s that clear a storm by `history` after its end."""
    seconds = fleet.storm_seconds + wishes.history
    return fleet.quiet_rate + fleet.storm_reports / seconds


def _topics(fleet: Fleet, wishes: Wishes, costs: Costs, partitions: int) -> tuple[float, float, float, float]:
    """Bytes of `reports`, `changes`, `latest` and `rejected` on all replicas."""
    storms = fleet.storm_reports * wishes.storms_a_month / 30
    daily = fleet.reports_a_day
    reports = (daily + storms) * wishes.reports_days * costs.report_bytes
    changed = daily * fleet.changed + storms * fleet.storm.changed
    changes = changed * CHANGES * wishes.changes_days * costs.change_bytes
    written = daily * fleet.written(fleet.changed) + fleet.storm_reports * fleet.written(fleet.storm.changed)
    latest = (fleet.devices + written * LATEST_LAG_DAYS) * costs.latest_bytes
    return tuple(  # type: ignore[return-value]
        size * wishes.replicas for size in (reports, changes, latest, partitions * REJECTED_BYTES)
    )
