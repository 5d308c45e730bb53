"""The tables of docs/capacity.md, made from the model: nothing in them is typed by hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.sizing.costs import Cost, Costs
from benchmarks.sizing.fleet import Fleet, Wishes
from benchmarks.sizing.fluid import backlog, refused
from benchmarks.sizing.plan import Plan, capacity, plan
from benchmarks.sizing.storm import Capacity, Course, play

SIZES: Final = (1_000_000, 10_000_000, 100_000_000)
LEFT_OVER: Final = 0.5  # of what is planned: the storm that shows what happens beyond it
BEGIN: Final = "<!-- written by python -m benchmarks.capacity: {} -->"
END: Final = "<!-- end -->"

ROWS: Final[Sequence[tuple[str, Callable[[Plan], str]]]] = (
    ("reports/s at the height of the storm", lambda p: f"{p.peak:,.0f}"),
    ("partitions of each topic", lambda p: f"{p.partitions}"),
    ("ingress workers (one core each)", lambda p: f"{p.ingress_processes}"),
    ("compactor processes", lambda p: f"{p.compactor_processes}"),
    ("sinks", lambda p: f"{p.sink_processes}"),
    ("cores busy in all brokers, at the height", lambda p: f"{p.broker_cores:.1f}"),
    ("cores busy in ClickHouse, each replica", lambda p: f"{p.clickhouse_cores:.1f}"),
    ("**machines**: ingress", lambda p: f"{p.ingress_machines}"),
    ("machines: compactor and sink", lambda p: f"{p.worker_machines}"),
    ("machines: Kafka", lambda p: f"{p.brokers}"),
    ("machines: ClickHouse", lambda p: f"{p.clickhouse_machines}"),
    ("**memory** of compactor and sink", lambda p: size(p.worker_memory)),
    ("**disk** of Kafka, all replicas", lambda p: size(p.broker_disk)),
    ("of it `reports`", lambda p: size(p.reports_disk)),
    ("of it `changes`", lambda p: size(p.changes_disk)),
    ("of it `latest`", lambda p: size(p.latest_disk)),
    ("of it `rejected`, at most", lambda p: size(p.rejected_disk)),
    ("disk of the compactors' stores, standbys included", lambda p: size(p.rocksdb_disk)),
    ("disk of ClickHouse, all replicas", lambda p: size(p.clickhouse_disk)),
    ("**network** from the apps", lambda p: bits(p.network_apps_in)),
    ("to the apps", lambda p: bits(p.network_apps_out)),
    ("into all brokers", lambda p: bits(p.network_brokers_in)),
    ("out of all brokers", lambda p: bits(p.network_brokers_out)),
    ("into ClickHouse", lambda p: bits(p.network_clickhouse)),
)


def size(count: float) -> str:
    """Bytes for people."""
    unit, name = next(each for each in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")) if count >= each[0] or each[0] == 1e6)
    return f"{count / unit:,.1f} {name}"


def bits(count: float) -> str:
    """Bytes/s as bits/s, which is how networks are sold."""
    return f"{count * 8 / 1e9:,.2f} Gbit/s" if count * 8 >= 1e9 else f"{count * 8 / 1e6:,.0f} Mbit/s"


def cost_table(found: Mapping[str, Cost]) -> str:
    """Every figure and where it is from."""
    lines = ["| figure | value | | from |", "|---|---|---|---|"]
    for name, cost in found.items():
        origin = f"{cost.by}, {cost.on}" if cost.kind == "measured" else cost.by
        lines.append(f"| `{name}` | {cost.value:,g} {cost.unit} | {cost.kind} | {origin} |")
    return "\n".join(lines)


def plan_table(wishes: Wishes, costs: Costs) -> str:
    """What each size takes."""
    plans = [plan(Fleet(devices=devices), wishes, costs) for devices in SIZES]
    lines = [f"| | {' | '.join(f'{devices:,} devices' for devices in SIZES)} |", "|---|---|---|---|"]
    lines += [f"| {name} | {' | '.join(of(each) for each in plans)} |" for name, of in ROWS]
    return "\n".join(lines)


def storm_table(wishes: Wishes, costs: Costs) -> str:
    """Each size's storm, as planned and with a part of it, by simulation; in brackets by formula."""
    lines = [
        "| devices | power | offered | accepted | refused at worst (formula) | if refusing cost nothing "
        "| still to report at worst | table behind at most "
        "| waits for the compactor at most (formula) | table caught up |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for devices in SIZES:
        for part in (1.0, LEFT_OVER):
            fleet = Fleet(devices=devices)
            power = capacity(plan(fleet, wishes, costs), fleet, wishes, costs, part)
            lines.append(_storm_row(fleet, power, play(fleet, power), part))
    return "\n".join(lines)


def compactor_table(wishes: Wishes, costs: Costs) -> str:
    """A storm at full acceptance with too few compactors and sinks: what waits, by simulation and by formula."""
    lines = [
        "| power of the compactor, of the storm's peak | waits at most, simulated | by formula | oldest, s "
        "| caught up after, min | by formula |",
        "|---|---|---|---|---|---|",
    ]
    for part in (0.9, 0.75, 0.5, 0.3):
        fleet, power, course = lagging(part, wishes, costs)
        liquid = backlog(fleet.quiet_rate, fleet.storm_amplitude, fleet.storm_seconds, power.compactor)
        lines.append(
            f"| {part:.0%} | {max(course.table_waiting):,} | {liquid.most:,.0f} | {course.table_age} "
            f"| {course.table_cleared / 60:.1f} | {liquid.cleared / 60:.1f} |"
        )
    return "\n".join(lines)


def lagging(part: float, wishes: Wishes, costs: Costs, devices: int = 10_000_000) -> tuple[Fleet, Capacity, Course]:
    """A storm in which all is accepted and compactor and sink can do the `part` of its peak."""
    fleet = Fleet(devices=devices)
    full = capacity(plan(fleet, wishes, costs), fleet, wishes, costs)
    power = Capacity(
        ingress_us=full.ingress_us * 2,
        accept_us=full.accept_us,
        refuse_us=full.refuse_us,
        brokers=fleet.peak_rate * 2,
        compactor=fleet.peak_rate * part,
        sink=fleet.peak_rate * part,
    )
    return fleet, power, play(fleet, power)


def drawn(costs: Costs) -> tuple[str, Course]:
    """Title and course of a storm in which every role is too small, behind a proxy that keeps its connections."""
    fleet = Fleet(devices=10_000_000)
    peak = fleet.peak_rate
    power = Capacity(
        ingress_us=peak * 0.85 * costs.ingress_accept,
        accept_us=costs.ingress_accept,
        refuse_us=costs.ingress_refuse,
        brokers=peak * 2,
        compactor=peak * 0.5,
        sink=peak * 0.65,
    )
    title = "10,000,000 phones, TLS in front; of the peak the ingress can do 85 %, the sink 65 %, the compactor 50 %"
    return title, play(fleet, power)


def _storm_row(fleet: Fleet, power: Capacity, course: Course, part: float) -> str:
    quiet, height, seconds = fleet.quiet_rate, fleet.storm_amplitude, fleet.storm_seconds
    not_taken = refused(quiet, height, seconds, power.ingress_us, power.accept_us, power.refuse_us)
    dropped = backlog(quiet, height, seconds, power.ingress_us / power.accept_us).most
    liquid = backlog(quiet, height, seconds, power.compactor)
    waits = f"{max(course.table_waiting):,}"
    waits += f" ({liquid.most:,.0f})" if not course.refused else ""
    return (
        f"| {fleet.devices:,} | {part:.0%} | {sum(course.offered):,} | {sum(course.accepted):,} "
        f"| {course.refused:,} ({not_taken:,.0f}) | {dropped:,.0f} | {course.later:,} | {course.table_age} s | {waits} "
        f"| {course.table_cleared / 60:.0f} min |"
    )


def replaced(text: str, name: str, table: str) -> str:
    """The page with the part `name` written anew.

    Raises:
        ValueError: the page has no such part.
    """
    begin = BEGIN.format(name)
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"the page has no part `{name}`")
    return f"{before}{begin}\n{table}\n{END}{after}"
