"""The charts of the page: which metric each shows, in words that need no glossary."""

from typing import Final, Literal

from msgspec import Struct


class Chart(Struct, frozen=True, kw_only=True):
    """One chart: rows of `metric`, drawn over column `x`, one series for each figure and each value of `by`."""

    name: str
    metric: str
    title: str
    help: str
    x: Literal["day", "age"] = "day"
    by: tuple[str, ...] = ()
    figures: dict[str, str]  # column to the series' name; with `by`, one column
    kind: Literal["line", "bars", "steps"] = "line"
    unit: Literal["count", "share"] = "count"


CHARTS: Final[dict[str, Chart]] = {
    chart.name: chart
    for chart in (
        Chart(
            name="reach",
            metric="reach",
            title="How many phones can we still wake?",
            help="Selectors with a push token, and those whose token was confirmed in the last 30 days (Android: 270).",
            figures={"reachable": "Reachable", "held": "With a token"},
        ),
        Chart(
            name="active_selectors",
            metric="active_selectors",
            title="How many are in use?",
            help="Selectors whose app was started and reported within the last 1, 7 and 30 days.",
            figures={"active_30": "30 days", "active_7": "7 days", "active_1": "1 day"},
        ),
        Chart(
            name="new",
            metric="new",
            title="How many are new?",
            help="Slots that got their first token. Imported tokens are not new.",
            by=("slot",),
            figures={"number": ""},
            kind="bars",
        ),
        Chart(
            name="stale_ratio",
            metric="stale_ratio",
            title="How much of what we hold is stale?",
            help="Tokens that nothing has confirmed for 30 days (Android: 270). Pushes to them mostly fail.",
            by=("slot",),
            figures={"ratio": ""},
            unit="share",
        ),
        Chart(
            name="rotated",
            metric="rotated",
            title="How often do tokens rotate?",
            help="Tokens replaced by another one, by slot and app id. A jump often means a new app version.",
            by=("slot", "app_id"),
            figures={"number": ""},
            kind="bars",
        ),
        Chart(
            name="joint_rotation",
            metric="joint_rotation",
            title="Reinstalls or renewals?",
            help="Both slots rotating within 10 minutes look like a reinstall; one slot alone like a renewal.",
            figures={"single": "One slot alone", "joint": "Both slots"},
            kind="bars",
        ),
        Chart(
            name="survival",
            metric="survival",
            title="How long does a token live?",
            help="The part of tokens still valid after so many days, by the weeks in which they came (Kaplan-Meier).",
            x="age",
            by=("cohort",),
            figures={"survival": ""},
            kind="steps",
            unit="share",
        ),
        Chart(
            name="removal_vs_silent",
            metric="removal_vs_silent",
            title="Who logs out, who just disappears?",
            help="Removed: the app said so. Silent: not confirmed for 30 days (Android: 270), probably uninstalled.",
            figures={"removed": "Removed", "silent": "Silent"},
            kind="bars",
        ),
        Chart(
            name="resurrection",
            metric="resurrection",
            title="Who comes back?",
            help="Slots that report again after a removal, or after so long a silence that they counted as lost.",
            figures={"after_removal": "After a removal", "after_silence": "After a silence"},
            kind="bars",
        ),
        Chart(
            name="missing_slot",
            metric="missing_slot",
            title="Who has only half a pair?",
            help="The part of the selectors with a token that have none in the slot: no calls token, no ringing.",
            by=("slot",),
            figures={"ratio": ""},
            unit="share",
        ),
        Chart(
            name="app_migration",
            metric="app_migration",
            title="Which app id is being migrated?",
            help="Slots that went from one app id to another.",
            by=("slot", "app_id_before", "app_id"),
            figures={"number": ""},
            kind="bars",
        ),
        Chart(
            name="redundancy",
            metric="redundancy",
            title="How many reports tell nothing new?",
            help="The part of the reports that changed neither a token, an app id nor the account.",
            figures={"ratio": "Unchanged"},
            unit="share",
        ),
    )
}
