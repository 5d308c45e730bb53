"""The catalogue of churn metrics: each is a file `schemas/clickhouse/queries/<name>.sql`, whose header defines it."""

from functools import cache
from pathlib import Path
from typing import Final

from msgspec import Struct

import schemas

FOLDER: Final = Path(schemas.__file__).parent / "clickhouse" / "queries"


class Metric(Struct, frozen=True):
    """One metric. `keys`: the columns that say what a row is of; the rest are figures, `shares` those from 0 to 1."""

    name: str
    title: str
    help: str
    keys: tuple[str, ...]
    shares: tuple[str, ...] = ()
    needs_history: bool = False  # reads the history itself; the others read the roll-ups


_DAY: Final = ("day",)
_DAY_SLOT: Final = ("day", "slot")
_DAY_SLOT_APP: Final = ("day", "slot", "app_id")

METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("daily", "Day by day", "What happened to tokens, by day and slot.", _DAY_SLOT),
        Metric(
            "active_selectors",
            "Active selectors",
            "Accounts on phones whose app reported on the day, within 7 days, within 30 days.",
            _DAY,
        ),
        Metric("new", "New tokens", "Slots that got their first token.", _DAY_SLOT_APP),
        Metric("rotated", "Rotations", "Tokens that were replaced by another one.", _DAY_SLOT_APP),
        Metric("removed", "Removals", "Slots that a log-out or account removal emptied.", _DAY_SLOT_APP),
        Metric(
            "reach",
            "Reach",
            "Selectors that can still be woken: a token is held and was confirmed in the last 30 days (Android: 270).",
            _DAY,
            ("share",),
        ),
        Metric(
            "stale_ratio",
            "Stale tokens",
            "The part of the tokens held that nothing has confirmed for 30 days (Android: 270).",
            _DAY_SLOT,
            ("ratio",),
        ),
        Metric(
            "survival",
            "Token lifetime",
            "The part of tokens that live longer than so many days (Kaplan-Meier), by the weeks in which they came.",
            ("cohort", "age"),
            ("survival",),
        ),
        Metric(
            "joint_rotation",
            "Joint and single rotations",
            "Both slots rotating within 10 minutes look like a reinstall; one alone like a renewal.",
            _DAY,
        ),
        Metric("reinstall", "Reinstalls", "Reports with another install id than the selector had before.", _DAY),
        Metric(
            "token_sharing",
            "Shared tokens",
            "By how many selectors a token is reported: a phone with two accounts shares its token.",
            ("slot", "selectors"),
            needs_history=True,
        ),
        Metric(
            "token_handover",
            "Token hand-over",
            "Tokens that a further selector begins to report: handed over, or shared with the one before.",
            _DAY_SLOT,
            needs_history=True,
        ),
        Metric(
            "missing_slot",
            "Missing slot",
            "The part of the selectors with a token that have none in the calls (other) slot.",
            _DAY_SLOT,
            ("ratio",),
        ),
        Metric("redundancy", "Redundancy", "The part of the reports that told nothing new.", _DAY, ("ratio",)),
        Metric(
            "removal_vs_silent",
            "Removal against silent death",
            "Log-outs say goodbye; uninstalled phones just stop reporting for 30 days (Android: 270).",
            _DAY,
            ("silent_share",),
        ),
        Metric("resurrection", "Resurrection", "Slots that came back after a removal or a long silence.", _DAY),
        Metric(
            "app_migration",
            "App-id migration",
            "Slots that went from one app id to another.",
            ("day", "slot", "app_id_before", "app_id"),
        ),
        Metric("flapping", "Flapping", "Slots that rotated from A to B and back to A within 24 hours.", _DAY_SLOT_APP),
        Metric("app_ids", "App ids in use", "How many reports carried each app id.", ("slot", "app_id")),
    )
}


@cache
def sql(name: str) -> str:
    """The query (str) of a metric, comments included, with `{name:Type}` placeholders.

    Raises:
        KeyError: no such metric.
    """
    return (FOLDER / f"{METRICS[name].name}.sql").read_text(encoding="utf-8")


def definition(name: str) -> str:
    """What the metric means, exactly: the header of its file as plain text (str)."""
    lines = (line for line in sql(name).splitlines() if line.startswith("--"))
    return " ".join(line[2:].strip() for line in lines)
