"""Capacity: what 1, 10 and 100 million phones take, by formula, and a storm after an app update, played out.

python -m benchmarks.capacity                     write the tables of docs/capacity.md and its picture again
python -m benchmarks.capacity --check             fail if they are not what the model says
python -m benchmarks.capacity --devices 3000000 --share 0.8 --minutes 10 --starts 5 --power 0.5
                                                  another fleet: its plan, and its storm with half of the processes

Pure and seeded, needs nothing but the product's own environment, takes some seconds. Costs: `sizing/costs.toml`;
assumptions: `sizing/fleet.py`; formulas: `sizing/plan.py`, `sizing/fluid.py`; the simulation: `sizing/storm.py`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.sizing.costs import Costs, costs, origins
from benchmarks.sizing.fleet import Fleet, Storm, Wishes
from benchmarks.sizing.page import ROWS, compactor_table, cost_table, drawn, plan_table, replaced, storm_table
from benchmarks.sizing.picture import svg
from benchmarks.sizing.plan import capacity, plan
from benchmarks.sizing.storm import play

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "capacity.md"
PICTURE: Final = ROOT / "docs" / "pictures" / "capacity.svg"


def documents(page: str) -> Mapping[Path, str]:
    """The page with its tables as the model says, and the picture."""
    wishes, found = Wishes(), costs()
    tables = {
        "costs": cost_table(origins()),
        "plan": plan_table(wishes, found),
        "storm": storm_table(wishes, found),
        "compactor": compactor_table(wishes, found),
    }
    for name, table in tables.items():
        page = replaced(page, name, table)
    return {PAGE: page, PICTURE: svg(*drawn(found))}


def stale() -> list[Path]:
    """Documents that are not what the model says."""
    wanted = documents(PAGE.read_text(encoding="utf-8"))
    return [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def one(given: argparse.Namespace, found: Costs) -> str:
    """The plan and the storm of the fleet that the arguments describe."""
    storm = Storm(share=given.share, minutes=given.minutes, changed=given.changed)
    fleet = Fleet(devices=given.devices, starts=given.starts, storm=storm)
    wishes = Wishes(replicas=given.replicas, readers=given.readers)
    made = plan(fleet, wishes, found)
    course = play(fleet, capacity(made, fleet, wishes, found, given.power), given.seed)
    lines = [f"{name.replace('**', ''):<52} {of(made)}" for name, of in ROWS]
    lines += [
        "",
        f"storm with {given.power:.0%} of the processes: {sum(course.offered):,} offered, "
        f"{sum(course.accepted):,} accepted, {course.refused:,} refused",
        f"phones that have not reported since: {course.later:,}",
        f"compactor: {max(course.table_waiting):,} waited at most, the oldest {course.table_age} s; "
        f"caught up after {course.table_cleared} s",
        f"sink: {max(course.history_waiting):,} waited at most, the oldest {course.history_age} s; "
        f"caught up after {course.history_cleared} s",
    ]
    return "\n".join(lines) + "\n"


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail if page or picture are not what the model says")
    parser.add_argument("--quick", action="store_true", help="as the other benchmarks have it; nothing is quicker here")
    parser.add_argument("--devices", type=int, default=0, help="print the plan of a fleet of this size instead")
    parser.add_argument("--starts", type=float, default=Fleet(devices=1).starts, help="app starts by phone and day")
    parser.add_argument("--share", type=float, default=Storm().share, help="phones that report in the storm (0 to 1)")
    parser.add_argument("--minutes", type=float, default=Storm().minutes, help="length of the storm")
    parser.add_argument("--changed", type=float, default=Storm().changed, help="of its reports, new tokens (0 to 1)")
    parser.add_argument("--replicas", type=int, default=Wishes().replicas, help="replication factor of the topics")
    parser.add_argument("--readers", type=int, default=Wishes().readers, help="consumer groups of other teams")
    parser.add_argument("--power", type=float, default=1.0, help="part of the planned processes that works")
    parser.add_argument("--seed", type=int, default=1, help="of the storm")
    return parser.parse_args(given)


def main(given: Sequence[str] = ()) -> int:
    """Write, check or print; the exit code."""
    asked = arguments(given)
    if asked.devices:
        sys.stdout.write(one(asked, costs()))
        return 0
    if asked.check:
        found = stale()
        sys.stdout.writelines(
            f"{path.relative_to(ROOT)} is stale: run python -m benchmarks.capacity\n" for path in found
        )
        return 1 if found else 0
    for path, text in documents(PAGE.read_text(encoding="utf-8")).items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
