"""Writes down what a version writes: records, states, changes, marks; the next version's unit tests read it.

    git archive COMMIT schemas processors | tar -x -C DIRECTORY
    PYTHONPATH=DIRECTORY python -P tests/cluster/record.py > tests/cluster/before.jsonl

It uses only what versions have in common, and nothing of `tests`.
"""

import json
import random
import sys
from typing import Any

from processors.compactor.copy import Identities
from processors.compactor.merge import merge
from processors.compactor.offsets import mark_of, mark_text
from processors.compactor.rules import Rules, State
from processors.compactor.store import Position, encode_position
from processors.sink import mark as sink
from schemas.records import Latest, Pair, Report, Source, encode

RECORDS = 90
SELECTORS = 8
STEP_MS = 3_000
BEGIN = 1_790_000_000_000
RULES = Rules(touch_interval=60_000, late_after=5_000, future_tolerance=300_000)


def reports(dice: random.Random) -> list[Report]:
    """Reports, removals, imports and erasures of a few selectors, some seconds apart."""

    def pair(name: str) -> Pair | None:
        return None if dice.random() < 0.3 else Pair(f"{name}-{dice.randrange(4)}", dice.choice((None, "app", "new")))

    return [
        Report(
            schema_version=1,
            id=f"r-{number}",
            kind="removal" if dice.random() < 0.25 else "report",
            received_at=BEGIN + number * STEP_MS - (20_000 if dice.random() < 0.15 else 0),
            selector=f"S{dice.randrange(SELECTORS)}:7C3A0D14",
            username=dice.choice((None, "johndow", "jané")),
            calls=pair("calls"),
            other=pair("other"),
            install_id="I-1" if dice.random() < 0.2 else None,
            user_agent="CloudSoftphone/1.5.6",
            origin="import" if dice.random() < 0.1 else "app",
            reason="forget" if dice.random() < 0.03 else None,
        )
        for number in range(RECORDS)
    ]


def steps() -> list[dict[str, Any]]:
    """Each report with the state after it and the changes, as JSON texts."""
    states: dict[str, State] = {}
    found = []
    for offset, report in enumerate(reports(random.Random(20261124))):
        appended_at = BEGIN + offset * STEP_MS
        source = Source(log_id="log-1", partition=0, offset=offset)
        outcome = merge(states.get(report.selector), report, source, appended_at, RULES)
        states[report.selector] = outcome.state
        found.append(
            {
                "offset": offset,
                "appended_at": appended_at,
                "report": encode(report).decode(),
                "after": written(outcome.state),
                "changes": [encode(change).decode() for change in outcome.changes],
                "disposition": outcome.disposition,
            }
        )
    return found


def written(state: State) -> list[str] | None:
    """A state as its topic and its value."""
    if state is None:
        return None
    return ["latest" if isinstance(state, Latest) else "removals", encode(state).decode()]


def marks() -> dict[str, str]:
    """The metadata of committed offsets, and a store's position."""
    identities = Identities(reports="log-1", latest="log-2", removals="log-3")
    position = Position(
        latest=5, removals=6, latest_id="log-2", removals_id="log-3", source=7, log_id="log-1", at=BEGIN, rebuilt=3
    )
    return {
        "compactor": mark_text(mark_of(identities)),
        "sink_at_rest": sink.mark_text(sink.Mark(log_id="log-1")),
        "sink_under_way": sink.mark_text(sink.Mark(log_id="log-1", last=41, recount=17)),
        "position": encode_position(position).decode(),
    }


if __name__ == "__main__":
    for line in (marks(), *steps()):
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
